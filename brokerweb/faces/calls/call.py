"""What a hot call is, however its request came in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from brokerweb.delivery.polls import waits
from brokerweb.identity.principal import Principal

Headers = Mapping[str, str]  # names in lower case
Watch = Callable[[], AbstractAsyncContextManager[asyncio.Event]]


@asynccontextmanager
async def unwatched() -> AsyncIterator[asyncio.Event]:
    """A watch that never fires: where the mount itself cancels the call when its client leaves."""
    yield asyncio.Event()


@dataclass(slots=True)
class Call:
    """One request, from a caller who holds the verb it needs; ``names`` are those in its path."""

    principal: Principal
    names: tuple[str, ...]
    body: bytes = b""
    query: str = ""
    headers: Headers = field(default_factory=dict)  # only where they describe the call
    watch: Watch = unwatched  # gives an event that is set when nobody waits for the answer any more

    @property
    def name(self) -> str:
        """Of the queue, stream or topic."""
        return self.names[0]


@asynccontextmanager
async def waiting(call: Call) -> AsyncIterator[asyncio.Event]:
    """Wait within this, until the event at most: the client has left, or its rights have ended, which raises Unauthenticated."""
    async with call.watch() as gone:
        with waits.entered(call.principal, gone):
            yield gone


@dataclass(frozen=True, slots=True)
class Hot:
    """A hot call: what its caller must hold, the status of its success, and what answers it."""

    answer: Callable[[Call], Awaitable[bytes]]
    verb: str | None  # None: what it needs is in its body
    kind: str
    status: int = 200
    by_headers: bool = False  # the request's headers describe it
    parameters: tuple[str, ...] = ()  # that its URL may have; others are refused

    def permit(self, principal: Principal, names: tuple[str, ...]) -> None:
        """Raise Forbidden to who may not make the call."""
        if self.verb is not None:
            principal.require(self.verb, self.kind, names[0])
