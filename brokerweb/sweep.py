"""The sweep: every message and record is read and compared with its checksum, slowly, round after round.

What is handed out or read is checked anyway; the sweep finds damage in what lies there, while a copy may still exist somewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from brokerweb import conf
from brokerweb.core.checksums import Seen
from brokerweb.queues import checking as messages
from brokerweb.queues import kept
from brokerweb.storage.reading import Reads, aread
from brokerweb.storage.run import aperform
from brokerweb.streams import checking as records

TURN_BYTES = 256 * 1024  # read in one go, about a millisecond
PAUSE = 60.0  # seconds between two rounds
LONGEST = 120.0  # seconds that a turn may have to be paid for: the largest body at the lowest rate
RETRY = 60.0  # seconds after a turn that could not be read

log = logging.getLogger(__name__)
KINDS: dict[str, Callable[[Reads, int, int], Seen]] = {"messages": messages.look, "records": records.look, "settled": kept.look}


@dataclass(slots=True)
class Figures:
    """What sweeps of this process have seen; ``damaged`` is by kind, of the last whole round or, where more, of this one."""

    rows: int = 0
    bytes: int = 0
    rounds: int = 0
    damaged: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))


figures = Figures()


class Sweep:
    """A duty: ``tick`` looks at some rows and says when those have been paid for."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._left = list(KINDS)
        self._after = 0
        self._found = dict.fromkeys(KINDS, 0)

    async def tick(self, now: int) -> float:
        rate = conf.get().sweep_bytes
        if not rate:
            return PAUSE
        kind = self._left[0]
        seen = await aread(KINDS[kind], self._after, TURN_BYTES)
        await self._note(kind, seen)
        if seen.after is not None:
            self._after = seen.after
            return seen.bytes / rate
        self._after = 0
        self._left.pop(0)
        if self._left:
            return 0
        figures.rounds += 1
        figures.damaged = self._found
        self._begin()
        return PAUSE

    async def _note(self, kind: str, seen: Seen) -> None:
        figures.rows += seen.rows
        figures.bytes += seen.bytes
        if not seen.damaged:
            return
        self._found[kind] += len(seen.damaged)
        figures.damaged = figures.damaged | {kind: max(figures.damaged[kind], self._found[kind])}
        log.error("damaged %s, by id: %s: their checksums do not match", kind, ", ".join(map(str, seen.damaged)))
        if kind == "messages":
            await aperform(messages.bury, seen.damaged)
