"""The frames a client may send, as structs: what does not fit one is ``invalid``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from brokerweb.core.errors import Invalid
from brokerweb.faces.codec.destinations import AnyMessages
from brokerweb.faces.codec.json import Strict, decode
from brokerweb.faces.codec.positions import Offsets
from brokerweb.faces.codec.settles import DeadItems, ExtendItems, NackItems, Receipts
from brokerweb.faces.codec.transactions import Commits, Publishes, Settles
from brokerweb.queues.limits import Lease

Id = Annotated[str, Meta(max_length=255)] | Annotated[int, Meta(ge=-(2**53), le=2**53)]
SUBPROTOCOL = "brokerweb.v1"
MAX_PREFETCH = 10_000


class Command(Strict, tag_field="op"):
    """A frame; with an ``id`` it is answered."""


class Publish(Command, tag="publish"):
    to: str
    messages: AnyMessages
    id: Id | None = None


class Consume(Command, tag="consume"):
    id: Id
    queue: str
    prefetch: Annotated[int, Meta(ge=1, le=MAX_PREFETCH)] = 32
    lease: Lease | None = None
    ack: Literal["explicit", "none"] = "explicit"
    client: str | None = None


class Ack(Command, tag="ack"):
    receipts: Receipts
    id: Id | None = None


class Release(Command, tag="release"):
    receipts: Receipts
    id: Id | None = None


class Nack(Command, tag="nack"):
    items: NackItems
    id: Id | None = None


class Dead(Command, tag="dead"):
    items: DeadItems
    id: Id | None = None


class Extend(Command, tag="extend"):
    items: ExtendItems
    id: Id | None = None


class OfSubscription(Command):
    """About a live subscription: ``sub`` is the id of what began it, as text or as the number it was."""

    sub: Id

    @property
    def name(self) -> str:
        """The subscription's, as answers have it."""
        return str(self.sub)


class Credit(OfSubscription, tag="credit"):
    n: Annotated[int, Meta(ge=1, le=MAX_PREFETCH)]
    id: Id | None = None


class Cancel(OfSubscription, tag="cancel"):
    release: bool = False
    id: Id | None = None


class Subscribe(Command, tag="subscribe"):
    """``from`` is earliest, latest, an instant, or an offset by partition; a group has its own positions instead."""

    id: Id
    stream: str
    start: str | Offsets | None = field(name="from", default=None)
    group: str | None = None
    prefetch: Annotated[int, Meta(ge=1, le=MAX_PREFETCH)] = 300
    client: str | None = None


class Commit(OfSubscription, tag="commit"):
    offsets: Offsets
    id: Id | None = None


class Seek(OfSubscription, tag="seek"):
    to: str | Offsets
    id: Id | None = None


class Transact(Command, tag="transact"):
    """Settle, commit and publish, all or nothing."""

    settle: Settles = {}
    commit: Commits = []
    publish: Publishes = []
    dedup_id: str | None = None
    id: Id | None = None


class Auth(Command, tag="auth"):
    token: str
    client: str | None = None
    id: Id | None = None


class Ping(Command, tag="ping"):
    id: Id | None = None


class Pong(Command, tag="pong"):
    id: Id | None = None


_Settling = Ack | Release | Nack | Dead | Extend
_Streaming = Subscribe | Commit | Seek
MERGED = (Publish, Ack, Release, Nack, Dead, Extend)  # commands of one turn of the loop that may go to the store together
# A union is no type to mypy, and one to msgspec.
FRAME: Any = Publish | Consume | _Settling | Credit | Cancel | _Streaming | Transact | Auth | Ping | Pong


class _Named(msgspec.Struct):
    """A frame of which nothing but the id is made into objects: a bad one must not cost more than a good one."""

    id: int | str | None = None


def id_of(text: str) -> int | str | None:
    """The id of a frame that is otherwise wrong, so that its sender learns which it was."""
    try:
        id = decode(_Named, text).id
    except Invalid:
        return None
    return id if len(str(id)) <= 255 else None
