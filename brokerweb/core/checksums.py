"""The checksum of what a message or record carries, stored beside it: what went wrong on disk is noticed before it is served.

XXH3 with 63 bits, since a column is signed (ADR 0016). It covers what never changes while a row lives; states, counters and
deadlines change with every hand-out, stamps with the wall that was set right, and are not part of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from xxhash import xxh3_64_intdigest as digest

NEVER = -1  # no contents have it: of what is known to be damaged


class Contents(Protocol):
    """What messages and records have alike, whoever reads or writes them."""

    @property
    def body(self) -> bytes | memoryview: ...
    @property
    def binary(self) -> bool: ...
    @property
    def key(self) -> str | None: ...
    @property
    def headers(self) -> str | None: ...
    @property
    def content_type(self) -> str | None: ...
    @property
    def reply_to(self) -> str | None: ...
    @property
    def correlation_id(self) -> str | None: ...


def checksums(ids: Iterable[int], contents: Iterable[Contents]) -> list[int]:
    """Over the bodies and what goes with them, in the rows ``ids``.

    The id is part of it: a body that is whole, but another's, is damage as well.
    """
    found = []
    for id, c in zip(ids, contents, strict=False):
        seed = id
        # Most have a body alone: a call for each of the others would cost more than the checksum.
        if (
            c.binary
            or c.key is not None
            or c.headers is not None
            or c.content_type is not None
            or c.reply_to is not None
            or c.correlation_id is not None
        ):
            seed = _about(seed, c)
        found.append(digest(c.body, seed) >> 1)
    return found


def checksum(id: int, contents: Contents) -> int:
    """The same of one."""
    return checksums([id], [contents])[0]


def intact(id: int, contents: Contents, stored: int) -> bool:
    """Whether a row is as it was written. Damage may make any column of it a value of another type."""
    c, seed = contents, id
    try:
        if (
            c.binary
            or c.key is not None
            or c.headers is not None
            or c.content_type is not None
            or c.reply_to is not None
            or c.correlation_id is not None
        ):
            seed = _about(seed, c)
        return digest(c.body, seed) >> 1 == stored and not isinstance(c.body, str)
    except (AttributeError, TypeError, ValueError, ArithmeticError):
        return False


def _about(seed: int, c: Contents) -> int:
    """What goes with a body, each with its place."""
    if c.binary:
        seed ^= 1 << 62
    for place, text in enumerate((c.key, c.headers, c.content_type, c.reply_to, c.correlation_id), 1):
        if text is not None:
            seed = digest(text.encode(), seed) ^ place
    return seed


class Checked(Protocol):
    """A row that knows whether it is as it was written."""

    @property
    def id(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def intact(self) -> bool: ...


@dataclass(slots=True)
class Seen:
    """What one turn of a sweep looked at: ``after`` is the last id, None when there was nothing more."""

    ROWS: ClassVar[int] = 500  # of one turn, at most
    ROW: ClassVar[int] = 256  # bytes that a row counts without its body

    after: int | None = None
    rows: int = 0
    bytes: int = 0
    damaged: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, found: Iterable[Checked], most_bytes: int) -> Seen:
        """Look at rows, by id, until they have ``most_bytes``."""
        seen = cls()
        for row in found:
            seen.after, seen.rows = row.id, seen.rows + 1
            seen.bytes += cls.ROW + size(row.body)
            if not row.intact:
                seen.damaged.append(row.id)
            if seen.bytes >= most_bytes:
                break
        return seen


def size(body: Any) -> int:
    """Bytes of a body, of which damage may have made anything."""
    return len(body) if isinstance(body, bytes | str) else 0
