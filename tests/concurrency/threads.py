"""Works side by side, on a thread and connections of their own each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connections

from brokerweb.core.errors import Unavailable

WAIT = 60
T = TypeVar("T")


def in_threads(*works: Callable[[], Any]) -> None:
    """Run each on a thread of its own, all from the same moment on; what one raises is raised here."""
    start, errors = threading.Barrier(len(works)), list[BaseException]()

    def work(each: Callable[[], Any]) -> None:
        try:
            start.wait(WAIT)
            each()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(each,)) for each in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def insisting(call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """What it answers, as a client gets it: what is to be tried again is."""
    for _ in range(100):
        try:
            return call(*args, **kwargs)
        except Unavailable:
            continue
    raise AssertionError("it is never taken")
