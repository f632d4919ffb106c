"""The store as a runner uses it: its own threads, its own connections, and what it does where the store cannot be reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb.storage.dedicated import dedicate
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.reading import read
from brokerweb.storage.run import joining

T = TypeVar("T")
THREADS = 4  # where the database takes several writers


def single_writer() -> bool:
    """Whether one transaction at a time writes, so that a second thread would but wait."""
    return dialect_of(connections[DEFAULT_DB_ALIAS]).single_writer


class Store:
    """Runs verbs in a commit each, and reads, for the control loop."""

    def __init__(self) -> None:
        threads = 1 if single_writer() else THREADS
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="runner store", initializer=dedicate)

    async def commit(self, verb: Callable[..., T], *args: Any) -> T:
        """``verb(tx, *args)`` in one commit, and its result after it. Raises BrokerError."""
        return await self._run(_commit, verb, args)

    async def read(self, call: Callable[..., T], *args: Any) -> T:
        """``call(reads, *args)``. Raises BrokerError."""
        return await self._run(_read, call, args)

    async def _run(self, how: Callable[..., Any], what: Callable[..., T], args: tuple[Any, ...]) -> T:
        found: T = await asyncio.get_running_loop().run_in_executor(self._executor, how, what, args)
        return found

    def renew(self) -> None:
        """Connections are opened anew when they are next used: the database may be another by then."""
        if single_writer():
            self._executor.submit(_close)

    def stop(self) -> None:
        self._executor.submit(_close)
        self._executor.shutdown(wait=False)


def _commit(verb: Callable[..., T], args: tuple[Any, ...]) -> T:
    try:
        with joining() as tx:
            return verb(tx, *args)
    except BaseException:
        _close()  # it may be what failed
        raise


def _read(call: Callable[..., T], args: tuple[Any, ...]) -> T:
    return read(call, *args)


def _close() -> None:
    connections.close_all()
