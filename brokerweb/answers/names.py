"""Names in what is told: of who held a message, and of queues and topics, as far as the asker may know of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from brokerweb.identity import clients
from brokerweb.identity.clients import Who
from brokerweb.queues import history
from brokerweb.queues.models import Queue

May = Callable[[str, str, str], bool]  # (verb, kind, name): a principal's ``may``


class _Told(Protocol):
    event: str
    detail: dict[str, Any]
    queue: int | None


def described(holders: Iterable[str | None]) -> Callable[[str | None], Who | None]:
    """Who these holders are; None is nobody."""
    known = clients.describe(holders)
    return lambda holder: known.get(holder or "")


def browsable(may: May | None, kind: str, name: str) -> bool:
    """Whether the asker may know of it."""
    return may is None or may("browse", kind, name)


def hide(told: Sequence[_Told], queue: Queue, may: May | None) -> None:
    """Leave out where a message went, and came from, where that is nothing the asker may browse; and say where it came from."""
    moves = [entry for entry in told if entry.event == history.MOVED]
    for entry in moves:
        if "to" in entry.detail and not browsable(may, "queue", entry.detail["to"]):
            del entry.detail["to"]
    left = {entry.queue for entry in moves if entry.queue not in (None, queue.pk)}
    named = dict(Queue.declared.filter(pk__in=left).values_list("pk", "name")) if left else {}
    for entry in moves:
        name = named.get(entry.queue or 0)
        if name is not None and browsable(may, "queue", name):
            entry.detail["from"] = name
    for entry in told:
        if entry.event == history.PUBLISHED and "route" in entry.detail and not browsable(may, "topic", entry.detail["route"]):
            del entry.detail["route"]
