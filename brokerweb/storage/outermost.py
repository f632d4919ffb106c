"""``atomic()`` for a connection that is in no transaction: its rules, in a tenth of its calls.

The committer makes one of these for a few messages each, and there Django's layers cost more than the statements. ORM calls and
``atomic()`` within it join it, with savepoints; ``on_commit`` is told after it.
"""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError
from django.db.transaction import TransactionManagementError


class Outermost:
    """``wrapper`` is Django's for a connection. How it begins, commits and rolls back are the backend's own ways."""

    __slots__ = ("wrapper",)

    def __init__(self, wrapper: Any) -> None:
        self.wrapper = wrapper

    def begin(self) -> None:
        self.wrapper._start_transaction_under_autocommit()

    def commit(self) -> None:
        self.wrapper._commit()

    def roll_back(self) -> None:
        self.wrapper._rollback()

    def __enter__(self) -> None:
        wrapper = self.wrapper
        wrapper.ensure_connection()
        self.begin()
        wrapper.autocommit, wrapper.in_atomic_block, wrapper.needs_rollback = False, True, False

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        wrapper, kept = self.wrapper, False
        wrapper.in_atomic_block = False
        try:
            if kind is None and not wrapper.needs_rollback:
                self.commit()
                kept = True
        finally:
            if not kept:
                self._give_up()
            wrapper.autocommit, wrapper.needs_rollback = True, False
        if kind is None and not kept:
            raise TransactionManagementError("An error within the transaction was caught there, and nothing of it is kept.")
        if wrapper.run_on_commit:
            wrapper.run_and_clear_commit_hooks()

    def _give_up(self) -> None:
        """Also after a commit that failed. A connection that cannot do that is given up, as ``atomic()`` does."""
        wrapper = self.wrapper
        wrapper.run_on_commit = []
        if wrapper.closed_in_transaction:
            wrapper.connection = None  # the database has rolled back; the next use opens another
            return
        try:
            self.roll_back()
        except DatabaseError:
            wrapper.close()
