"""The JSON of transactions, shared by REST and WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Protocol, TypeVar

from msgspec import Meta

from brokerweb.core.errors import Forbidden, Invalid, escape_pointer
from brokerweb.core.names import parse_destination
from brokerweb.faces.codec.destinations import AnyMessages, for_any
from brokerweb.faces.codec.json import Destination, Strict
from brokerweb.faces.codec.positions import Commit
from brokerweb.faces.codec.settles import SettleRequest, settles
from brokerweb.identity.principal import Principal
from brokerweb.queues import limits
from brokerweb.routing import messages, pointers
from brokerweb.routing.messages import Publish, Transacted, TransactRequest
from brokerweb.streams.positions import parse_offsets

T = TypeVar("T")
R = TypeVar("R")


class CommitPart(Commit, kw_only=True):
    """Positions of a consumer group: the next offset to read, by partition."""

    stream: str
    group: str


class PublishPart(Strict):
    """Messages for one destination."""

    to: Destination
    messages: AnyMessages


Settles = Annotated[dict[str, SettleRequest], Meta(max_length=1000)]  # by queue
Commits = Annotated[list[CommitPart], Meta(max_length=100)]
Publishes = Annotated[list[PublishPart], Meta(max_length=1000)]


class Asked(Protocol):
    """A transaction as a face's request has it."""

    dedup_id: str | None
    settle: Settles
    commit: Commits
    publish: Publishes


def to_request(asked: Asked) -> TransactRequest:
    """The transaction as the verb takes it, every limit checked. Raises Invalid."""
    return TransactRequest(
        {queue: _part(settles, kinds, f"/settle/{escape_pointer(queue)}") for queue, kinds in asked.settle.items()},
        [_part(_commit, part, f"/commit/{place}") for place, part in enumerate(asked.commit)],
        [_part(_publish, part, f"/publish/{place}") for place, part in enumerate(asked.publish)],
        limits.check_text(asked.dedup_id, "/dedup_id"),
    )


def _part(convert: Callable[[T], R], part: T, pointer: str) -> R:
    """One part converted. Raises Invalid, which names the part as the errors of the verb itself do."""
    try:
        return convert(part)
    except Invalid as error:
        raise pointers.for_part(error, pointer) from None


def _commit(part: CommitPart) -> messages.Commit:
    return messages.Commit(part.stream, part.group, parse_offsets(part.offsets), part.generation)


def _publish(part: PublishPart) -> Publish:
    kind, _ = parse_destination(part.to)
    return Publish(part.to, for_any(kind, part.messages))


def require(principal: Principal, request: TransactRequest) -> None:
    """Raise Forbidden unless the caller holds every verb that the transaction needs; it names the part."""
    uses = request.uses()
    if not uses and not any(permit.gives(verb) for permit in principal.permits for verb in ("publish", "consume")):
        raise Forbidden("publish or consume is not among your grants")  # a dedup_id alone is remembered, too
    for use, pointer in uses.items():
        try:
            principal.require(*use)
        except Forbidden as error:
            raise pointers.for_part(error, pointer) from None


def as_json(answer: Transacted) -> bytes:
    """The inside of the answer's JSON object."""
    return b'"duplicate":%b,"publish":%b' % (b"true" if answer.duplicate else b"false", bytes(answer.publish))
