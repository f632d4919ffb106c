"""What became of a message that has ended and is kept to be looked at."""

from __future__ import annotations

from brokerweb.answers import verdicts
from brokerweb.answers.verdicts import Verdict
from brokerweb.core import clock
from brokerweb.identity import clients
from brokerweb.queues.history import ACKED
from brokerweb.queues.models import SettledMessage


def verdict(found: SettledMessage) -> Verdict:
    """How it ended, by whom, and how long after it was published."""
    by = found.actor
    if by is None and found.outcome == ACKED and found.holder is not None:
        by = clients.describe([found.holder])[found.holder].client
    at, published = clock.from_datetime(found.settled_at), clock.from_datetime(found.published_at)
    return verdicts.settled(found.outcome, at=at, by=by, seconds=max(0, at - published) / clock.SECOND)
