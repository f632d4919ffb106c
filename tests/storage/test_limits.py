"""A node's own connections that read end what goes on for too long; those of a project's views are left as they are."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from brokerweb.storage.postgres import limits


@pytest.fixture(autouse=True)
def _begun(on_postgres: None) -> Iterator[None]:
    limits.begin()
    yield
    connection_created.disconnect(dispatch_uid=limits.UID)


def shown(thread: str, setting: str) -> str:
    """A setting of a new connection that is opened on a thread of that kind."""

    def ask() -> str:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SHOW {setting}")
                return str(cursor.fetchone()[0])
        finally:
            connection.close()

    with ThreadPoolExecutor(1, thread_name_prefix=thread) as threads:
        return threads.submit(ask).result()


@pytest.mark.parametrize("thread", ["reader", "identity", "read-0", "write-3"])
def test_own_threads_have_limits(thread: str) -> None:
    assert shown(thread, "statement_timeout") == "1min"
    assert shown(thread, "idle_in_transaction_session_timeout") == "1min"
    assert shown(thread, "synchronous_commit") == "on"  # the tests' server has it off


def test_a_projects_views_are_left_as_they_are() -> None:
    assert shown("project-0", "statement_timeout") == "0"
