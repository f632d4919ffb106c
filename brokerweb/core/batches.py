"""How much goes together: into one answer, and into one commit of a duty or a long action, for which everybody else waits."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

# Of bodies that are removed or rewritten, at 1 and 5 ms a MiB: a change of a row may write its whole body again.
TURN_BYTES = 8 * 1024 * 1024
ANSWER_BYTES = 512 * 1024  # of bodies in one answer or frame; a larger one goes by itself


def fitting(weights: Iterable[int], most: int | None = None) -> int:
    """How many of the first go together into one turn, or into ``most`` bytes, by what their bodies weigh; one that is larger
    goes by itself.
    """
    room = TURN_BYTES if most is None else most
    return max(1, sum(total <= room for total in accumulate(weights)))
