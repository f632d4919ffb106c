"""Whom a message is related to: an edited copy to its original and the other way round, copies of one publish to each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from brokerweb.answers.names import May, browsable
from brokerweb.queues import history, settled
from brokerweb.queues.models import Message, MessageEvent, Queue, SettledMessage
from brokerweb.queues.states import State

SHOWN = 50  # copies of one publish
ORIGINAL, COPY, SIBLING = "original", "copy", "sibling"
Found = Message | SettledMessage | None


def family(queue: Queue, message_id: int, found: Found, *, may: May | None = None) -> list[dict[str, Any]]:
    """Its relatives, as far as the asker may browse where they are: ``rel`` is ``original``, ``copy`` or ``sibling``."""
    relatives = [*_original(queue, found), *_copy(queue, message_id, found), *_siblings(found)]
    return [shown for shown in relatives if browsable(may, *shown["to"].split(":", 1))]


def _original(queue: Queue, found: Found) -> Iterator[dict[str, Any]]:
    if found is not None and found.parent is not None:
        yield _relative(ORIGINAL, queue, found.parent)


def _copy(queue: Queue, message_id: int, found: Found) -> Iterator[dict[str, Any]]:
    """Of an original, which has ended by being edited."""
    text = found.detail if isinstance(found, SettledMessage) else None
    if found is None:
        edited = MessageEvent.objects.filter(message_id=message_id, queue_id=queue.pk, event=history.EDITED)
        text = edited.values_list("detail", flat=True).first()
    copy = history.detail_of(text).get("copy")
    if copy is not None:
        yield _relative(COPY, queue, int(copy))


def _relative(rel: str, queue: Queue, message_id: int) -> dict[str, Any]:
    """Where a message of a queue is now, or where it was."""
    alive = Message.objects.filter(pk=message_id).values_list("queue__name", "state").first()
    if alive is not None:
        return _shown(rel, alive[0], message_id, State(alive[1]).name.lower())
    kept = SettledMessage.objects.filter(pk=message_id).values_list("queue__name", flat=True).first()
    return _shown(rel, kept or queue.name, message_id, "settled" if kept else "gone")


def _shown(rel: str, name: str, message_id: int, state: str) -> dict[str, Any]:
    return {"rel": rel, "to": f"queue:{name}", "id": str(message_id), "state": state}


def _siblings(found: Found) -> Iterator[dict[str, Any]]:
    if found is None or found.carries.family is None:
        return
    own = found.message_id if isinstance(found, SettledMessage) else found.pk
    numbers = settled.relatives(found.carries.family, SHOWN + 2)
    alive = Message.objects.filter(pk__in=numbers).exclude(pk=own).values_list("pk", "queue__name", "state")
    shown = [_shown(SIBLING, name, id, State(state).name.lower()) for id, name, state in alive]
    kept = SettledMessage.objects.filter(pk__in=numbers).exclude(message_id=own).exclude(outcome="moved")
    shown += [_shown(SIBLING, name, id, "settled") for id, name in kept.values_list("message_id", "queue__name")]
    yield from sorted(shown, key=lambda one: int(one["id"]))[:SHOWN]
    for place in msgspec.json.decode(found.carries.streams or "[]"):
        yield {"rel": SIBLING, "to": place["to"], "partition": place["partition"], "offset": place["offset"]}
