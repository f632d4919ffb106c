"""One message as its page has it: alive, or kept after its end; and why it is where it is."""

from __future__ import annotations

from brokerweb.answers import verdicts
from brokerweb.answers.absent import absent
from brokerweb.answers.verdicts import Verdict
from brokerweb.core.errors import NotFound
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse, settled
from brokerweb.queues.filters import MessageFilter
from brokerweb.queues.models import Failure, Message, Queue, SettledMessage

AnyMessage = Message | SettledMessage


def read(principal: Principal, queue: Queue, message_id: int) -> tuple[AnyMessage, list[Failure]]:
    """The message with its failures. Raises NotFound, which says what is known of one that is neither alive nor kept."""
    try:
        return browse.read(queue, message_id)
    except NotFound:
        kept = settled.read(queue, message_id)
    if kept is None:
        raise absent(queue, message_id, may=principal.may)
    return kept


def verdict(principal: Principal, queue: Queue, found: AnyMessage) -> Verdict:
    """Why it waits, or how it ended."""
    if isinstance(found, Message):
        return verdicts.message(principal, queue, found)
    return verdicts.settled(found)


def neighbours(queue: Queue, message_id: int, chosen: MessageFilter, *, kept: bool) -> tuple[int | None, int | None]:
    """The next older and the next newer one of the selection, or of what is kept."""
    return (settled.neighbours if kept else browse.neighbours)(queue, message_id, chosen)
