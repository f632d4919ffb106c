"""Turns of duties and of long actions: what one commit of theirs takes, since everybody else waits for it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

# Of bodies that are removed or rewritten, at 1 and 5 ms a MiB: a change of a row may write its whole body again.
TURN_BYTES = 8 * 1024 * 1024


def fitting(weights: Iterable[int], most: int | None = None) -> int:
    """How many of the first go together into one turn, or into ``most`` bytes, by what their bodies weigh; one that is larger
    goes by itself.
    """
    room = TURN_BYTES if most is None else most
    return max(1, sum(total <= room for total in accumulate(weights)))
