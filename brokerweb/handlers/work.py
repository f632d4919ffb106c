"""What a runner runs, and what may become of it: the words between those who take messages and those who work on them."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # models cannot be imported while Django loads its apps, and handlers are named then
    from brokerweb.queues import Received
    from brokerweb.storage.transaction import Transaction
    from brokerweb.streams import Record

    Message: TypeAlias = Received | Record

Kind = Literal["ack", "nack", "dead", "release"]


class Retry(Exception):
    """Raised by a handler: try this message again, after ``delay`` seconds or its queue's backoff; it counts as a failure."""

    def __init__(self, reason: str = "", *, delay: float | None = None) -> None:
        super().__init__(reason)
        self.delay = delay


class Reject(Exception):
    """Raised by a handler: no try will help. The message is dead, with this reason; a record is passed over."""


class TimeLimit(Exception):
    """A handler took longer than it may."""


class NotBegun(Exception):
    """The store could not be reached before anything was run."""


class LeaseLost(Exception):
    """The message is another's by now: nothing that was done for it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One call of somebody's code: ``call()``, which is awaited where it is a ``coroutine``.

    ``timeout`` is in seconds. With ``atomic`` its rows in the broker's database and the ack are one transaction; that is for
    functions, not for coroutines.
    """

    call: Callable[[], Any] | Callable[[], Awaitable[Any]]
    coroutine: bool = False
    timeout: float | None = None
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why it failed. ``text`` is what people read: the traceback, or where a function stands that has run out of time."""

    error: BaseException
    text: str

    @classmethod
    def of(cls, error: BaseException, text: str | None = None) -> Failure:
        """With the traceback from where the handler's own code begins, unless there is another ``text``."""
        if text is None:
            text = "".join(traceback.format_exception(type(error), error, _own(error.__traceback__)))
        return cls(error, text)


def _own(found: TracebackType | None) -> TracebackType | None:
    """A traceback without the runner's own frames at its beginning."""
    at = found
    while at is not None and at.tb_frame.f_globals.get("__name__", "").startswith("brokerweb.handlers."):
        at = at.tb_next
    return at or found


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a message. ``delay``, in seconds, is a nack's; without it the queue's backoff decides.
    ``error`` is of a nack or a dead letter."""

    kind: Kind
    delay: float | None = None
    error: str | None = None


class Handler(Protocol):
    """Who works on the messages of a source, and hears what became of it. Give it to a source, and that to a ``Runner``."""

    @property
    def name(self) -> str:
        """For people: in logs and answers."""

    def work(self, message: Message) -> Work:
        """What is to be run for a message. Called on the thread that runs it, outside of any transaction; what it raises is the
        message's failure, ``Retry`` and ``Reject`` included."""

    def done(self, tx: Transaction, message: Message, result: Any) -> None:
        """It ran, and this is what it returned. Called in the transaction of the ack, after that; may be called again, should
        that transaction fail."""

    def failed(self, tx: Transaction, message: Message, failure: Failure) -> Settlement:
        """It failed. Called in the transaction that settles the message as answered; may be called again as ``done``."""


def settlement_of(failure: Failure) -> Settlement:
    """What a failure means where nobody says more: ``Reject`` is dead, ``Retry`` has its delay, the queue decides on others."""
    if isinstance(failure.error, Reject):
        return Settlement("dead", error=str(failure.error) or "rejected")
    if isinstance(failure.error, Retry):
        return Settlement("nack", failure.error.delay, str(failure.error) or "to be tried again")
    return Settlement("nack", error=failure.text)
