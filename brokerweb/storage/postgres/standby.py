"""Commits that wait for a synchronous standby which does not answer: seen, said, and in the end given up.

No time-out of PostgreSQL's ends that wait. A commit that is told to stop waiting returns as if all were well, with no more than a
warning; whether the next primary will have it is not known, and nobody is told that it is stored (``Dialect.committed``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.storage.postgres.cursors import Cursor

LATE = 1.0  # seconds after which a commit is looked at
ENOUGH, ENOUGH_NOW = 10.0, 2.0  # seconds that one may wait; and while it is known already that there is no standby
_WAITING = "SELECT pid FROM pg_stat_activity WHERE pid = ANY($1::int[]) AND wait_event = 'SyncRep'"
_GIVE_UP = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = ANY($1::int[]) AND wait_event = 'SyncRep'"


class Standby:
    """``look`` again and again, on a connection that commits nothing. ``waited_for`` until something was stored again."""

    def __init__(self) -> None:
        self.waited_for = False

    def look(self, raw: Any, commits: Mapping[int, float]) -> bool:
        """Whether a standby is waited for. ``commits`` are under way, for so many seconds, by their backend's number."""
        late = [pid for pid, seconds in commits.items() if seconds > LATE]
        waiting = {pid for (pid,) in self._ask(raw, _WAITING, late)} if late else set()
        enough = ENOUGH_NOW if self.waited_for else ENOUGH
        given_up = [pid for pid in waiting if commits[pid] > enough]
        if given_up:
            self._ask(raw, _GIVE_UP, given_up)
        self.waited_for = self.waited_for or bool(waiting)
        return self.waited_for

    def _ask(self, raw: Any, question: str, pids: list[int]) -> list[tuple[Any, ...]]:
        return Cursor(raw).execute(question.encode(), [pids]).fetchall()
