"""Examples that Hypothesis draws, on either database: fewer on PostgreSQL, and what one has written is gone before the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from hypothesis import HealthCheck, settings

from tests.postgres import empty

SHARE = 10  # of the examples, one is drawn on PostgreSQL, where each takes some times as long


def examples(n: int) -> Callable[..., None]:
    """Run a test with so many examples, at once."""
    number = n if connection.vendor == "sqlite" else max(5, n // SHARE)
    few = settings(max_examples=number, suppress_health_check=[HealthCheck.too_slow])

    def run(test: Callable[[], None]) -> None:
        few(test)()

    return run


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is written within this is undone. On PostgreSQL its commits are real, and it is emptied at the end."""
    if connection.vendor == "sqlite":
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
        return
    try:
        yield
    finally:
        empty()
