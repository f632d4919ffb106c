"""What one chunk of a job did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Chunk(NamedTuple):
    """Where the next chunk begins, how many items were ``done`` and how many ``failed``, and why the last of those.

    ``due_at`` is the earliest instant of the next chunk, when it is not at once.
    """

    cursor: Mapping[str, Any]
    done: int
    failed: int = 0
    finished: bool = False
    due_at: int | None = None
    error: str | None = None
