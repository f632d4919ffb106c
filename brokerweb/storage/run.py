"""Run a verb in one commit, from wherever the caller is: the running committer's, or a transaction of one's own.

Inside the caller's own ``atomic()`` a verb joins that instead (``storage.transaction``): call it directly there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.transaction import TransactionManagementError

from brokerweb.core.errors import BrokerError, Internal, StoreFull, Unavailable
from brokerweb.storage import disk
from brokerweb.storage.calls import CALL_COST, Call, Place
from brokerweb.storage.committer import Committer
from brokerweb.storage.declared import declaring
from brokerweb.storage.dialects import DIALECTS, dialect_of
from brokerweb.storage.lanes import Lanes
from brokerweb.storage.reading import despite_damage
from brokerweb.storage.transaction import Transaction, transaction

_committer: Committer | Lanes | None = None
ANSWER_WITHIN = 60  # seconds a thread waits for the committer; its bounds make a batch far shorter


def install(committer: Committer | Lanes | None) -> None:
    """From now on calls of this process go through ``committer``; ``None``: each commits by itself."""
    global _committer
    _committer = committer


def running() -> Committer | Lanes | None:
    return _committer


def perform(verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run ``verb(tx, *args, **kwargs)`` in one commit and return its result after it. Raises BrokerError.

    For threads; on the event loop use ``aperform``.
    """
    if _committer is None or connection.in_atomic_block:
        return _directly(verb, args, kwargs)
    answered = threading.Event()
    call = Call(verb, args, kwargs, lambda _: answered.set())
    call.direct = True
    _committer.submit(call)
    if not answered.wait(ANSWER_WITHIN):
        raise Internal("The committer did not answer.")
    return _result(call)


async def aperform(verb: Callable[..., Any], *args: Any, cost: int = 0, **kwargs: Any) -> Any:
    """``perform`` from the event loop; ``cost`` is how many bytes the call holds. A caller that goes away cancels nothing."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def done(call: Call) -> None:
        if not future.done():
            future.set_result(None)

    call = start(verb, args, kwargs, done=done, cost=cost)
    await future
    return _result(call)


class Own:
    """A committer beside the usual ones, for what must not wait behind whatever waits for those. On the loop."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._committer = Committer(self._deliver, name=name)
        self._committer.start()

    async def aperform(self, verb: Callable[..., Any], *args: Any) -> Any:
        """Run ``verb(tx, *args)`` in one commit and return its result after it. Raises BrokerError."""
        answered = self._loop.create_future()
        call = Call(verb, args, {}, lambda _: None if answered.done() else answered.set_result(None))
        self._committer.submit(call)
        await answered
        return _result(call)

    async def stop(self) -> None:
        await self._loop.run_in_executor(None, self._committer.stop)

    def _deliver(self, batch: list[Call]) -> None:
        for call in batch:
            self._loop.call_soon_threadsafe(call.done, call)


def start(
    verb: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    done: Callable[[Call], None],
    cost: int = 0,
    crowd: bool = False,
    place: Place | None = None,
) -> Call:
    """Hand a call to the running committer; ``done(call)`` is told on the loop. Raises Unavailable when it cannot be taken.

    ``crowd``: other callers are likely to follow in the loop's next turns, and the batch waits for them.
    """
    if _committer is None:
        raise Unavailable("No broker runs in this process.")
    call = Call(verb, args, kwargs, done, place)
    call.cost = CALL_COST + cost
    _committer.submit(call)
    if crowd:
        _committer.quiet.handed(asyncio.get_running_loop())
    return call


def after(check: Callable[[Transaction], None], verb: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """A verb that declares or deletes, in whose commit the check is made first: what it lets pass holds still when the verb acts.

    ``kind`` is that of the thing, whose name are the verb's first arguments.
    """

    def checked(tx: Transaction, *args: Any, **options: Any) -> Any:
        declaring(tx, kind, *args[: 2 if kind == "group" else 1])
        check(tx)
        return verb(tx, *args, **options)

    return checked


@contextmanager
def joining(using: str = DEFAULT_DB_ALIAS) -> Iterator[Transaction]:
    """``transaction`` for callers of the verbs from Django: what the database refuses is a BrokerError, too.

    A transaction that is broken already is the caller's fault, and Django says so.
    """
    try:
        with transaction(using) as tx:
            yield tx
    except (BrokerError, TransactionManagementError):
        raise
    except Exception as error:
        known = refusal(error, using)
        if known is None:
            raise
        raise known from error


def refusal(error: BaseException | None, using: str = DEFAULT_DB_ALIAS) -> BrokerError | None:
    """What an error means if it is the database's, else None. Where the disk is full, room is made for the next try."""
    dialect = DIALECTS.get(connections[using].vendor)
    known = dialect.translate(error) if dialect is not None and isinstance(error, Exception) else None
    if isinstance(known, StoreFull):
        disk.of(using).ran_out()
    return known


def _directly(verb: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    def once() -> Any:
        with joining() as tx:
            return verb(tx, *args, **kwargs)

    if connection.in_atomic_block:
        return once()
    connection.ensure_connection()
    return despite_damage(dialect_of(connection), connection.connection, once)


def _result(call: Call) -> Any:
    if call.error is not None:
        raise call.error
    return call.result
