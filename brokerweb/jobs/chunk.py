"""What one chunk of a job did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from brokerweb.jobs.failures import Failed


class Chunk(NamedTuple):
    """Where the next chunk begins, how many items were ``done`` and how many ``failed``, and why the last of those.

    ``due_at`` is the earliest instant of the next chunk, when it is not at once; ``items`` are those that failed, as far as they
    are listed; ``state`` is what the job is in then, where that does not follow; ``total`` is known from now on.
    """

    cursor: Mapping[str, Any]
    done: int
    failed: int = 0
    finished: bool = False
    due_at: int | None = None
    error: str | None = None
    items: Sequence[Failed] = ()
    state: str | None = None
    total: int | None = None
