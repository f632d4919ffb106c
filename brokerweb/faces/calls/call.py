"""What a call is: its row in the table, with all there is to know of it, and one request for it, however that came in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from brokerweb.delivery.polls import waits
from brokerweb.faces.codec.query import Parameter
from brokerweb.identity import clients
from brokerweb.identity.principal import Principal

Names = tuple[str, ...]  # those in a request's path, in its order
POINTERS = {"q": "/queue", "s": "/stream", "t": "/topic", "g": "/group"}  # how errors point to the names in a path


@dataclass(frozen=True)
class Permission:
    """Who may make a call: words for the document, and what raises Forbidden."""

    words: str
    check: Callable[[Principal, Names], None]


def on(kind: str, verb: str) -> Permission:
    """The verb, held on the queue, stream or topic that the path names first."""
    return Permission(f"`{verb}` on the {kind}", lambda principal, names: principal.require(verb, kind, names[0]))


@dataclass(frozen=True, eq=False)
class Row:
    """One call of the API. Its urls, its permission and its part of the OpenAPI document are made from this."""

    method: str
    path: str  # below /api/v1/; names in it stand in braces
    handler: Callable[..., Any]  # of a hot call ``(Call) -> bytes``, awaited; else ``(ApiView, **names) -> HttpResponse``
    id: str
    needs: Permission
    summary: str
    answers: Mapping[int, Any]  # status -> the type of its body, several, or None for none; success comes first
    request: Any = None  # the type of the body
    request_required: bool = True
    media_type: str = "application/json"  # of its answers
    other_types: tuple[str, ...] = ()  # that may be asked for instead
    raw: bool = False  # any body, described by the request's headers
    versioned: bool = False  # what it is about has an ETag; it takes If-Match if it changes that
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[str, ...] = ()  # codes besides those that any call may meet
    description: str = ""
    tag: str = "queues"

    @cached_property
    def status(self) -> int:
        """Of its success."""
        status: int = next(iter(self.answers))
        return status

    @cached_property
    def query(self) -> tuple[str, ...]:
        """The parameters its URL may have; others are refused."""
        return tuple(parameter.name for parameter in self.parameters if parameter.where == "query")

    @cached_property
    def pointers(self) -> tuple[str, ...]:
        """How errors point to the names in its path."""
        return tuple(POINTERS[name] for name in re.findall(r"\{(\w+)\}", self.path) if name in POINTERS)


Headers = Mapping[str, str]  # names in lower case
Watch = Callable[[], AbstractAsyncContextManager[asyncio.Event]]


@asynccontextmanager
async def unwatched() -> AsyncIterator[asyncio.Event]:
    """A watch that never fires: where the mount itself cancels the call when its client leaves."""
    yield asyncio.Event()


@dataclass(slots=True)
class Call:
    """One request for a hot call, from a caller who holds the verb it needs; ``names`` are those in its path."""

    principal: Principal
    names: Names
    body: bytes = b""
    query: str = ""
    headers: Headers = field(default_factory=dict)  # only where they describe the call
    watch: Watch = unwatched  # gives an event that is set when nobody waits for the answer any more
    client: str | None = None  # what the caller calls itself
    address: Callable[[], str | None] = lambda: None

    @property
    def name(self) -> str:
        """Of the queue, stream or topic."""
        return self.names[0]

    def holder(self) -> str:
        """Who has what this call receives, as messages name it; noted, so that people read a name."""
        holder = clients.caller_holder(self.principal.owner, self.client)
        if not clients.known(holder):
            clients.introduce_caller(self.principal, holder, self.client, self.address())
        return holder


@asynccontextmanager
async def waiting(call: Call) -> AsyncIterator[asyncio.Event]:
    """Wait within this, until the event at most: the client has left, or its rights have ended, which raises Unauthenticated."""
    async with call.watch() as gone:
        with waits.entered(call.principal, gone.set):
            yield gone
