"""Where asynchronous callers read the identity tables: two threads of their own, so that no page holds up a token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from django.db import close_old_connections

T = TypeVar("T")
_executor = ThreadPoolExecutor(2, thread_name_prefix="identity")


async def in_thread(call: Callable[..., T], *args: Any) -> T:
    """The result of ``call(*args)``, run on one of the threads."""
    return await asyncio.get_running_loop().run_in_executor(_executor, partial(_run, call, *args))


def _run(call: Callable[..., T], *args: Any) -> T:
    close_old_connections()
    try:
        return call(*args)
    finally:
        close_old_connections()
