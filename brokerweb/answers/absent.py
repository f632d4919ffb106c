"""What can be said of a message that a queue does not have: how it ended there, that it may have been there, or never was."""

from __future__ import annotations

from typing import Any

from brokerweb.answers.family import family
from brokerweb.answers.names import May
from brokerweb.answers.timeline import timeline
from brokerweb.core.errors import NotFound
from brokerweb.core.quantities import DURATION
from brokerweb.identity.masks import Veil
from brokerweb.queues import history
from brokerweb.queues.definitions import Q
from brokerweb.queues.models import OUTCOMES, Queue
from brokerweb.storage.reading import Reads, read


def absent(queue: Queue, message_id: int, veil: Veil, *, may: May | None = None) -> NotFound:
    """The error for a message that is neither alive nor kept, in words that are true; with its history where there is one."""
    told, truncated = timeline(queue, message_id, None, [], veil, may=may)
    if told:
        detail = f"The id {message_id} was given by queue {queue.name}: the message {_end(told[-1])}. {_kept(queue)}"
        more = {"timeline": told, "timeline_truncated": truncated, "family": family(queue, message_id, None, may=may)}
        return NotFound(detail, **more)
    if message_id > read(_newest):
        return NotFound(f"Queue {queue.name} never had a message {message_id}: no message has had that id yet.")
    return NotFound(
        f"The id {message_id} was given by queue {queue.name} or by another, since ids are of one sequence. "
        f"If by {queue.name}, the message is gone. {_kept(queue)}"
    )


def _end(last: dict[str, Any]) -> str:
    """How it ended, as the last that is written of it says; which in a queue that keeps failures alone may have come before."""
    by = f" by {last['by']}" if last["by"] else ""
    if last["event"] == history.MOVED:
        return f"has left it, moved{by} at {last['at']}"
    if last["event"] in OUTCOMES:
        return f"is gone, {last['event']}{by} at {last['at']}"
    return f"is gone; the last that is written of it is that it was {last['event'].replace('_', ' ')}{by} at {last['at']}"


def _newest(reads: Reads) -> int:
    """The highest id ever given."""
    return reads.value(Q.last_id) or 0


def _kept(queue: Queue) -> str:
    """What the queue keeps of what is settled."""
    if queue.keep_settled:
        return f"Settled messages are kept for {DURATION.text(queue.keep_settled)} (keep_settled), and then gone."
    if queue.history == "full":
        kept = DURATION.text(queue.keep_history)
        return f"Of settled messages the queue keeps no bodies, and what happened for {kept} (keep_history)."
    return "The queue keeps no history of settled messages (history: failures, keep_settled: 0)."
