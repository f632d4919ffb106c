"""The hot verbs, under one name each. They know no protocol, check no permission, and run in the caller's transaction."""

from brokerweb.queues.definitions import find, find_by_id
from brokerweb.queues.leasing import Terms, Want, lease, lease_alone, lease_round
from brokerweb.queues.publishing import check, publish, publish_each
from brokerweb.queues.settling import settle

__all__ = [
    "Terms",
    "Want",
    "check",
    "find",
    "find_by_id",
    "lease",
    "lease_alone",
    "lease_round",
    "publish",
    "publish_each",
    "settle",
]
