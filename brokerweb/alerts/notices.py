"""The duty that tells channels what is to be told, and tries again later what was not taken."""

from __future__ import annotations

import asyncio
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from brokerweb import conf
from brokerweb.alerts import channels
from brokerweb.alerts.alerts import TEST
from brokerweb.alerts.sending import NotSent, send
from brokerweb.cluster.models import AlertChannel, AlertNotice
from brokerweb.core import clock
from brokerweb.core.events import ALERTS
from brokerweb.identity import audit
from brokerweb.identity.principal import Principal
from brokerweb.storage.reading import Reads, aread
from brokerweb.storage.run import aperform
from brokerweb.storage.transaction import Transaction

log = logging.getLogger(__name__)
EVERY = 5.0  # seconds between looks, unless something is due before
AGAIN = (5, 60, 300, 1_800, 7_200, 18_000, 36_000)  # seconds until each further try
AT_ONCE = 4
WHOLE = 30.0  # seconds that a try may take in all
KEPT_FOR = 7 * 86_400  # seconds
LIMIT = 500


class Sending:
    """A duty; ``close`` when there are no more ticks."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="alerts")

    async def tick(self, now: int) -> float:
        due = await aread(_due)
        if not due:
            return EVERY
        loop = asyncio.get_running_loop()
        errors = await asyncio.gather(*(_in_time(loop.run_in_executor(self._threads, _try, *each)) for each in due))
        await aperform(note, [(notice.pk, error) for (notice, _), error in zip(due, errors, strict=True)])
        while await aperform(forget) >= LIMIT:
            pass
        return 0

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _in_time(trying: asyncio.Future[str | None]) -> str | None:
    """What a try says, or that it takes too long: whoever dribbles holds up nobody but the thread."""
    try:
        return await asyncio.wait_for(trying, WHOLE)
    except TimeoutError:
        return f"it took longer than {WHOLE:g} s"


def _due(reads: Reads) -> list[tuple[AlertNotice, AlertChannel | None]]:
    found = list(AlertNotice.objects.filter(due_at__lte=clock.wall()).order_by("due_at", "pk")[:AT_ONCE])
    known = AlertChannel.objects.in_bulk([notice.channel for notice in found])
    return [(notice, known.get(notice.channel)) for notice in found]


def _try(notice: AlertNotice, channel: AlertChannel | None) -> str | None:
    """What was wrong: nothing is said as None, and an empty text is a channel that is not there any more."""
    if channel is None:
        return ""
    try:
        send(channel, notice.told, f"alert_{notice.pk}_{clock.from_datetime(notice.at):x}")
    except NotSent as error:
        return str(error)
    except Exception as error:  # whatever it is: others are told all the same, and this one again
        log.exception("an alert could not be sent")
        return type(error).__name__
    return None


def note(tx: Transaction, tried: list[tuple[int, str | None]]) -> None:
    """A verb: what became of tries."""
    for number, error in tried:
        notice = AlertNotice.objects.filter(pk=number).first()
        if notice is None:
            continue
        notice.tries += 1
        last = error is None or not error or notice.tries > len(AGAIN)
        notice.due_at = None if last else clock.to_datetime(tx.wall + clock.seconds(AGAIN[notice.tries - 1]))
        notice.error = (error or "")[:500]
        notice.save(update_fields=["tries", "due_at", "error"])
        _note_channel(tx.wall, notice.channel, error)
    tx.writes += 1
    tx.outcome.lists |= {ALERTS}


def _note_channel(wall: int, name: str, error: str | None) -> None:
    channel = AlertChannel.objects.filter(pk=name)
    if error is None:
        channel.update(sent_at=wall, error="")
    elif error:
        channel.update(failed_at=wall, error=error[:500])


def forget(tx: Transaction) -> int:
    """A duty's verb: old notices go; how many that were."""
    old = AlertNotice.objects.filter(at__lt=tx.wall - clock.seconds(KEPT_FOR)).values_list("pk", flat=True)[:LIMIT]
    gone, _ = AlertNotice.objects.filter(pk__in=list(old)).delete()
    tx.writes += 1
    return gone


def waiting() -> int:
    """How many notices are still to be taken."""
    return AlertNotice.objects.exclude(due_at=None).count()


def try_out(by: Principal, name: str, *, address: str | None = None) -> str | None:
    """Tell a channel that this is a test, now; what was wrong, or None. Raises NotFound."""
    channel = channels.find(name)
    environment = conf.get().environment
    told: dict[str, Any] = {
        "event": TEST, "rule": None, "alerts": [], "more": 0,
        "environment": environment.name if environment else None, "broker": conf.get().url,
    }  # fmt: skip
    error: str | None = None
    try:
        send(channel, told, f"alert_test_{secrets.token_hex(8)}")
    except NotSent as wrong:
        error = str(wrong)
    _note_channel(clock.wall(), name, error)
    audit.record(by, "alert-channel.test", f"alert-channel:{name}", detail={"error": error}, address=address)
    return error
