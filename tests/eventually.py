"""Waiting for what another process or thread does. The only place in the tests that may wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def eventually(predicate: Callable[[], Answer], timeout: float = 30, *, why: str = "", interval: float | None = None) -> Answer:
    """The first truthy answer of ``predicate``; AssertionError with ``why`` and the last answer after ``timeout`` seconds.

    It is asked every ``interval`` seconds. Without one it is asked the more seldom the longer it has been: asking is work for
    who is waited for, and for all who have the same cores.
    """
    began = time.monotonic()
    while True:
        answer = predicate()
        if answer:
            return answer
        waited = time.monotonic() - began
        if waited > timeout:
            raise AssertionError(f"not within {timeout} s: {why or predicate}; last answer {answer!r}")
        time.sleep(interval or min(max(0.02, waited / 20), 0.25))
