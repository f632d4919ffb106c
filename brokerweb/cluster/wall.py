"""What is remembered of the wall clock: every time it was set, for the next start and for processes without a broker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise

from django.core.exceptions import SynchronousOnlyOperation

from brokerweb.cluster.nodes import Q
from brokerweb.core import alarms, clock
from brokerweb.core.clock import Clock, Step
from brokerweb.core.errors import BrokerError
from brokerweb.storage.reading import Reads, read
from brokerweb.storage.run import aperform
from brokerweb.storage.transaction import Transaction

EVERY = 1.0  # seconds between looks at the wall
KEPT = 10_000  # steps
FRESH = 1.0  # seconds a process without a broker goes without asking

log = logging.getLogger(__name__)


def steps(tx: Transaction) -> list[Step]:
    """Every time the wall was set, the oldest first."""
    return [Step(*row) for row in tx.rows(Q.steps)]


def note(tx: Transaction, new: Iterable[Step]) -> None:
    """The wall was set. The heartbeat goes with it, by which the next start tells a step from the time that nobody was there."""
    for step in new:
        tx.change(Q.add_step, *step)
    tx.change(Q.trim_steps, KEPT)


def difference(reads: Reads) -> int:
    """By how much the wall is ahead of the broker's clock, as was noted last."""
    return reads.value(Q.last_step) or 0


def verdict(running: Clock) -> str:
    """What ``/readyz`` says of the clock: ``ok``, or how far the wall is off since it was set."""
    off = running.unsettled
    return f"the wall clock is {_off(off)} what was expected" if off else "ok"


class Watch:
    """A duty: notices that the wall was set, says so, and lets what ends by the wall look again. ``alive`` is the heartbeat."""

    def __init__(self, alive: Callable[[Transaction], object]) -> None:
        self._alive = alive
        self._known = 0
        self._unsaved: list[Step] = []

    def begin(self, known: int) -> None:
        """So many steps are old."""
        self._known = known

    async def tick(self, now: int) -> float:
        running = clock.running()
        if running is not None:
            running.follow()
            new = running.steps[self._known :]
            self._known += len(new)
            self._unsaved += new
            if new:
                alarms.look_again()
                report(running, new)
        if self._unsaved:
            unsaved, self._unsaved = self._unsaved, []  # each is noted once, whoever looks meanwhile
            try:
                await aperform(self._note, unsaved)
            except BaseException:
                self._unsaved = unsaved + self._unsaved
                raise
        return EVERY

    def _note(self, tx: Transaction, new: list[Step]) -> None:
        note(tx, new)
        self._alive(tx)


def report(running: Clock, new: Sequence[Step]) -> None:
    """Say that the wall was set, in a run or between two."""
    steps = [*pairwise(running.steps)]
    for before, step in steps[max(0, len(steps) - len(new)) :]:
        off = step.difference - before.difference
        if step.slept:
            log.info("The machine slept for %.1f s: leases, delays, ttls and dedup windows stood still.", off / clock.SECOND)
        elif abs(off) >= clock.SAID:
            log.warning(
                "The wall clock stands at %s, %s what was expected. Is it right? What is stated in wall time (deliver_at, ends "
                "of tokens) follows it; leases, delays, ttls and dedup windows go on as they were.",
                clock.rfc3339(step.since + step.difference), _off(off),
            )  # fmt: skip


def report_start(running: Clock, new: Sequence[Step]) -> None:
    """Say so too where the wall is all that tells of a long time between two runs."""
    report(running, new)
    since, away, _ = running.believed
    if away:
        log.warning(
            "The wall clock stands at %s, %s after this broker was last alive, and nothing else tells how long that is: "
            "the machine was started meanwhile. Is it right? Delays, ttls and dedup windows have run on by it.",
            clock.rfc3339(running.wall_at(since)), _span(away),
        )  # fmt: skip


def _off(off: int) -> str:
    """``7200.0 s (2:00:00) ahead of``."""
    return f"{_span(abs(off))} {'ahead of' if off > 0 else 'behind'}"


def _span(span: int) -> str:
    return f"{span / clock.SECOND:.1f} s ({timedelta(seconds=round(span / clock.SECOND))})"


class _Elsewhere:
    """How far the wall is ahead of the broker's clock, in a process without a broker: as the broker's noted it last."""

    def __init__(self) -> None:
        self._difference, self._read_at = 0, 0.0

    def __call__(self) -> int:
        if not self._read_at or time.monotonic() - self._read_at > FRESH:
            self._read_at = time.monotonic()
            # Before the tables are there, or where nothing may be read, what was known is the best there is.
            with suppress(BrokerError, SynchronousOnlyOperation):
                row = read(lambda reader: reader.row(Q.last_step))
                self._difference = row[0] if row else 0
        return self._difference


difference_elsewhere = _Elsewhere()
