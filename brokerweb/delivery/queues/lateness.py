"""Hand-outs that come late: messages that were leased just before this process, the network or the store stood still.

Their deadline is stored. Whoever began with one would be told ``lease_lost``, and somebody else would begin with it meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from brokerweb.core import clock
from brokerweb.queues.messages import Leased

NO_MATTER = clock.SECOND  # of any lease


def late(messages: Sequence[Leased]) -> bool:
    """Whether half of their leases went by before they came here; they were leased together, and to be acknowledged or not."""
    first = messages[0]
    if first.receipt is None:  # gone with their lease: they are nowhere else
        return False
    length = clock.seconds(first.lease)
    gone = length - (first.lease_until - clock.now())
    return gone > NO_MATTER and 2 * gone > length
