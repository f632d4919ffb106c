"""What a language is to the carrier, and the carrier to a language: all there is to know to write another.

The carrier accepts a socket, finds out who calls where the request says so, reads frames within the limits, writes what
waits in the outbox, and closes. It looks into no frame: what they say, which commands there are and what a client is sent
is the language's, which the client chooses by its subprotocol. A language is a folder beside this one, and a word in
``asgi.py``; it imports nothing of the carrier but this module.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple, Protocol

from brokerweb.core.errors import BrokerError
from brokerweb.identity.principal import Principal

Frame = str | bytes  # a text frame, or a binary one


class Text:
    """A text frame to be sent, in the parts of UTF-8 it was made of. Several sockets may be sent the same one."""

    __slots__ = ("framed", "parts")

    def __init__(self, parts: Sequence[bytes]) -> None:
        self.parts = parts
        self.framed: bytes | None = None  # the carrier's, once it is known

    def __str__(self) -> str:
        return b"".join(self.parts).decode()


Outgoing = Frame | Text


class Introduced(NamedTuple):
    """Who a first frame says it is, the answer to that, if it wants one, and what the client calls itself, if anything."""

    principal: Principal
    answer: Frame | None = None
    client: str | None = None


class Outbox(Protocol):
    """What waits to be written to one socket, in order. Whoever adds to it never waits; from the loop only."""

    @property
    def crowded(self) -> bool:
        """Whether nothing more is to be leased for this socket."""

    def frame(self, frame: Frame) -> None:
        """Send this. Does nothing on a socket that is being closed."""

    def deliver(self, to: Any, messages: list[Any], size: int) -> None:
        """Send messages, ``size`` bytes of them, by the language's ``deliver``: those that wait last and are for the same ``to``
        are joined. What is delivered before a close is sent before it.
        """

    def records(self, to: Any, run: Any, size: int) -> None:
        """Send a run of records, ``size`` bytes of them, by the language's ``records``."""

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then close. The first word counts."""


class Session(Protocol):
    """One socket of a caller who is known."""

    def handle(self, frame: Frame) -> Awaitable[None] | None:
        """Do what a frame says; whatever is wrong with it is answered. Later frames wait for what is returned."""

    @property
    def full(self) -> bool:
        """Whether the next frame has to wait for ``room``."""

    async def room(self) -> None:
        """Wait until another frame may be handled."""

    def crowded(self, crowded: bool) -> None:
        """The client reads slower than it is served, or no longer so: nothing more is to be leased for it meanwhile."""

    def end(self, *, clean: bool) -> None:
        """The socket is over; told once. Where that is ``clean``, what the client held is no failure."""


class Language(Protocol):
    """One subprotocol. One object speaks for all sockets of a process."""

    subprotocol: str  # as clients ask for it
    binary: bool  # whether binary frames belong to it; where not, they are handed over unmeasured, to be refused

    def hello(self) -> Frame | None:
        """What every client is sent first; None where the client begins."""

    async def first_frame(self, frame: Frame) -> Introduced:
        """Who the first frame says it is. Only asked where the request did not say it.

        Raises BrokerError for anything else: the client is told that by ``error``, and closed.
        """

    def session(self, principal: Principal, address: str, outbox: Outbox, client: str | None = None) -> Session:
        """Begin; ``client`` is what it calls itself. Raises Unavailable while the broker stops."""

    def deliver(self, to: Any, messages: list[Any]) -> Sequence[Outgoing]:
        """The frames for messages that waited together for one ``to``: both as the session gave them to the outbox. Called when
        it is their turn to be written, so that little is encoded for a client that reads slowly.
        """

    def records(self, to: Any, run: Any) -> Sequence[Outgoing]:
        """The frames for one run of records, which others may be sent as well: what is encoded may be kept in it."""

    def error(self, error: BrokerError, about: Frame | None) -> Frame:
        """What a client is told who is not let in; ``about`` is its first frame, if it got that far."""
