"""What a person can do about an error: one sentence a code."""

from __future__ import annotations

from brokerweb.core.errors import BrokerError

HINTS = {
    "invalid": "Correct what is named and send it again.",
    "unauthenticated": "Sign in again.",
    "forbidden": "It takes a grant on that name. Whoever administers the broker can give you one.",
    "not_found": "It may have been acknowledged, expired or deleted since the page was drawn.",
    "conflict": "Its state has changed since the page was drawn. Reload the page and look again.",
    "precondition_failed": "Read it again, and see whether the change still fits.",
    "lease_lost": "Somebody else holds it by now. Reload the page.",
    "too_large": "Send less, or raise max_body_bytes in its settings.",
    "offset_out_of_range": "Go on from an offset that is there; what retention took does not come back.",
    "unroutable": "Add a binding that matches, or let the topic drop what none matches.",
    "queue_full": "Consume, purge, or raise max_length in the queue's settings.",
    "rate_limited": "Wait a minute, then try again.",
    "unavailable": "The broker cannot write at the moment. Try again shortly, and look at /readyz.",
    "store_full": "Make room on the broker's disk, or take messages away: consume or purge them. It goes on by itself.",
}
ABSENT = "Somebody may have deleted it, or it never was: look for it in the list."  # of what has a name
OTHERWISE = "Try again. If it happens again, look into the server's log."


def hint(error: BrokerError) -> str:
    """What to do about it."""
    return HINTS.get(error.code, OTHERWISE)
