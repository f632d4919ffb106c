"""What a writer has looked up and need not look up again, as long as nobody else commits.

For a database that can say whether somebody has (``Dialect.version``): there what one transaction read is still so in the next
one of the same connection. What a transaction itself changes it must leave out (``Transaction.changes_lookups``), and where it
is rolled back nothing is kept.
"""

from __future__ import annotations

from typing import Any

MOST = 5_000  # kept; more are looked up again


class Lookups:
    """Of one writer, from transaction to transaction."""

    __slots__ = ("_found", "_raw", "_version")

    def __init__(self) -> None:
        self._found: dict[Any, Any] | None = None
        self._raw: Any = None  # the connection that read them: another's versions say nothing about this one's
        self._version: int | None = None

    def taken(self, raw: Any, version: int | None) -> dict[Any, Any] | None:
        """What still holds, for the transaction that has begun, and where it may put more; None where that cannot be told."""
        found, self._found = self._found, None
        same = found is not None and raw is self._raw and version == self._version and len(found) < MOST
        self._raw, self._version = raw, version
        if version is None:
            return None
        return found if same else {}

    def keep(self, found: dict[Any, Any] | None) -> None:
        """The transaction that took them has committed."""
        self._found = found
