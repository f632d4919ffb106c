"""What charts mark: deploys and the like as they are told, and what people and nodes do, in the commit that does it."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Q

from brokerweb.cluster.models import Mark
from brokerweb.core import clock
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

_Q = Statements("brokerweb.cluster", "marks.sql")

KEPT_FOR = 30 * 86_400  # seconds
KEPT = 5_000  # the newest
LIMIT = 500  # that go at a time
LONGEST = 200  # characters of a text
NOTE, PAUSE, RESUME, SEEK, START = "note", "pause", "resume", "seek", "start"


def note(
    tx: Transaction, kind: str, text: str, target: str | None = None, *, at: int | None = None, by: str | None = None
) -> None:
    """A verb: something happened, to a queue or stream or to the whole broker; now, unless ``at`` is when, by the wall."""
    actor = by or tx.by
    tx.later(_Q.mark, tx.wall if at is None else at, text[:LONGEST], kind, target, actor[:255] if actor else None)


def listed(
    since: int, until: int, *, target: str | None = None, visible: Callable[[str], bool] = lambda _: True, limit: int = 50
) -> list[Mark]:
    """The newest marks of a time, by the wall, the oldest of them first: all of them, or those of one ``target`` and of the whole
    broker. ``visible`` says which targets the caller may know of.
    """
    found: list[Mark] = []
    marks = Mark.objects.filter(at__gte=since, at__lte=until)
    if target is not None:
        marks = marks.filter(Q(target=target) | Q(target=None))
    for mark in marks.order_by("-at", "-id").iterator(chunk_size=200):
        if mark.target is None or visible(mark.target):
            found.append(mark)
            if len(found) == limit:
                break
    return found[::-1]


def forget(tx: Transaction, limit: int = LIMIT) -> int:
    """A duty's verb: old marks go, and those beyond so many; how many that were."""
    crowd = tx.value(_Q.crowd, KEPT)
    before = tx.wall - clock.seconds(KEPT_FOR)
    return tx.change(_Q.unmark, before if crowd is None else max(before, crowd + 1), limit)
