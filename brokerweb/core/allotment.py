"""Who gets how many, when several want more than there is: whoever has the fewest unsettled comes first."""

from __future__ import annotations

import heapq
from collections.abc import Sequence


def allot(n: int, wants: Sequence[tuple[int, int]]) -> list[int]:
    """How many of ``n`` each gets, for wants as (unsettled, room); in sum never more than there is room for."""
    if len(wants) == 1:
        return [min(n, wants[0][1])]
    given = [0] * len(wants)
    heap = [(unsettled, i) for i, (unsettled, room) in enumerate(wants) if room > 0]
    heapq.heapify(heap)
    while n and heap:
        unsettled, i = heap[0]
        given[i] += 1
        n -= 1
        if given[i] == wants[i][1]:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (unsettled + 1, i))
    return given
