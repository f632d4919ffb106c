"""``@consumer``: functions and coroutines that work on the messages of a queue, or the records of a stream."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.utils.module_loading import autodiscover_modules

from brokerweb.core.names import NAME, NAME_RULE
from brokerweb.handlers.work import Failure, Settlement, Work, settlement_of

if TYPE_CHECKING:
    from brokerweb.handlers.work import Message
    from brokerweb.storage.transaction import Transaction

R = TypeVar("R")
RANGES: dict[str, tuple[float, float]] = {
    "batch": (1, 1000), "prefetch": (1, 1000), "concurrency": (1, 1000), "lease": (1, 43_200), "timeout": (0.001, 43_200),
}  # fmt: skip
MODULE = "consumers"  # of an app, whose handlers are found by themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A handler as it was named. Durations are seconds; what is None is the queue's, or the runner's."""

    function: Callable[[Any], Any]
    queue: str | None = None
    stream: str | None = None
    group: str | None = None
    batch: int | None = None
    prefetch: int | None = None
    concurrency: int | None = None
    lease: float | None = None
    timeout: float | None = None
    atomic: bool = False

    @property
    def name(self) -> str:
        return f"{self.function.__module__}.{getattr(self.function, '__qualname__', repr(self.function))}"

    @property
    def coroutine(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @property
    def source(self) -> str:
        """Where its messages come from, for people."""
        return f"queue {self.queue}" if self.queue is not None else f"group {self.group} of stream {self.stream}"

    @property
    def place(self) -> str:
        """The same as commands take it."""
        return self.queue if self.queue is not None else f"{self.stream}/{self.group}"

    # As ``work.Handler`` has it

    def work(self, message: Message) -> Work:
        return Work(call=partial(self.function, message), coroutine=self.coroutine, timeout=self.timeout, atomic=self.atomic)

    def done(self, tx: Transaction, message: Message, result: Any) -> None:
        """What a handler returns is nobody's."""

    def failed(self, tx: Transaction, message: Message, failure: Failure) -> Settlement:
        return settlement_of(failure)


_consumers: dict[str, list[Consumer]] = {}  # by the function's name: one that is imported anew takes its place


def consumer(
    queue: str | None = None,
    *,
    stream: str | None = None,
    group: str | None = None,
    batch: int | None = None,
    prefetch: int | None = None,
    concurrency: int | None = None,
    lease: float | None = None,
    timeout: float | None = None,
    atomic: bool = False,
) -> Callable[[Callable[[Any], R]], Callable[[Any], R]]:
    """Let a function, or a coroutine function, work on the messages of a queue: ``manage.py consume`` calls it with each.

    With ``stream`` and ``group`` instead of a queue it is called with each record that the group has not read. What it raises
    is the message's failure, with the traceback; ``Retry`` and ``Reject`` say more.

    ``batch``: it is called with lists of up to so many messages, which are done or have failed together. ``prefetch``: how many
    messages, or batches, are held at once, begun or not (as many as run at once). ``concurrency``: how many of them run at once
    (as many as the command allows). ``lease``: seconds (the queue's), extended as long as it runs. ``timeout``: seconds it may
    take. ``atomic``: its rows and the ack commit together, or not at all. Raises ValueError for what does not go together.
    """

    if queue is not None and not isinstance(queue, str):  # at once: @consumer without brackets decorates nothing
        raise ValueError('name the queue: @consumer("QUEUE")')

    def named(function: Callable[[Any], R]) -> Callable[[Any], R]:
        made = Consumer(
            function=function, queue=queue, stream=stream, group=group, batch=batch, prefetch=prefetch, concurrency=concurrency,
            lease=lease, timeout=timeout, atomic=atomic,
        )  # fmt: skip
        _check(made)
        _add(made)
        return function

    return named


def _check(made: Consumer) -> None:
    """Raises ValueError."""
    if not callable(made.function):
        raise ValueError("a consumer is a function, or a coroutine function")
    if [made.queue is None, made.stream is None, made.group is None] not in ([False, True, True], [True, False, False]):
        raise ValueError("a consumer has a queue, or a stream and a group")
    for name, given in {"queue": made.queue, "stream": made.stream, "group": made.group}.items():
        if given is not None and not NAME.fullmatch(str(given)):
            raise ValueError(f"the {name} {given!r}: a name has {NAME_RULE}")
    for name, (low, high) in RANGES.items():
        value = getattr(made, name)
        if value is not None and not (isinstance(value, int | float) and low <= value <= high):
            raise ValueError(f"{name} is from {low} to {high}")
    if made.atomic and made.coroutine:
        raise ValueError(f"{made.name} is a coroutine: Django has no transactions there, so that atomic is for functions")


def _add(made: Consumer) -> None:
    """Several sources may have one function; the same source of a function that is imported anew is the same."""
    others = [each for each in _consumers.get(made.name, ()) if each.source != made.source]
    _consumers[made.name] = [*others, made]


def discover() -> list[Consumer]:
    """All handlers there are: those of the apps' ``consumers`` modules, and of whatever else was imported."""
    autodiscover_modules(MODULE)
    return registered()


def registered() -> list[Consumer]:
    """All handlers that were imported so far, by their source."""
    return sorted((each for several in _consumers.values() for each in several), key=lambda each: (each.source, each.name))


def forget() -> None:
    """No handler is known any more: for tests."""
    _consumers.clear()
