"""Waiting for what another process or thread does. The only place in the tests that may wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def eventually(predicate: Callable[[], Answer], timeout: float = 10, *, why: str = "", interval: float = 0.02) -> Answer:
    """The first truthy answer of ``predicate``; AssertionError with ``why`` and the last answer after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {why or predicate}; last answer {answer!r}")
        time.sleep(interval)
