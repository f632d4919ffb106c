"""The frames a client may send, as structs: what does not fit one is ``invalid``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from brokerweb.faces.wire import DeadItems, ExtendItems, Lease, Messages, NackItems, Receipts, Strict

Id = Annotated[str, Meta(max_length=255)] | Annotated[int, Meta(ge=-(2**53), le=2**53)]
MAX_PREFETCH = 10_000


class Command(Strict, tag_field="op"):
    """A frame; with an ``id`` it is answered."""


class Publish(Command, tag="publish"):
    to: str
    messages: Messages
    id: Id | None = None


class Consume(Command, tag="consume"):
    id: Id
    queue: str
    prefetch: Annotated[int, Meta(ge=1, le=MAX_PREFETCH)] = 32
    lease: Lease | None = None
    ack: Literal["explicit", "none"] = "explicit"


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


class Credit(Command, tag="credit"):
    sub: str
    n: Annotated[int, Meta(ge=1, le=MAX_PREFETCH)]
    id: Id | None = None


class Cancel(Command, tag="cancel"):
    sub: str
    release: bool = False
    id: Id | None = None


class Auth(Command, tag="auth"):
    token: str
    id: Id | None = None


class Ping(Command, tag="ping"):
    id: Id | None = None


class Pong(Command, tag="pong"):
    id: Id | None = None


Frame = Publish | Consume | Ack | Release | Nack | Dead | Extend | Credit | Cancel | Auth | Ping | Pong
FRAME: Any = Frame  # a union is no type to mypy, and one to msgspec
