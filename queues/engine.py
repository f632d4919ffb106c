"""The hot verbs, under one name each. They know no protocol, check no permission, and run in the caller's transaction.

To lease is in ``brokerweb.handout``, for every queue: a shared group's is fed from its stream first.
"""

from brokerweb.queues.definitions import find, find_by_id
from brokerweb.queues.leasing import Terms, lease_alone
from brokerweb.queues.publishing import NO_FAMILY, Family, Origin, check, publish, publish_each, publish_from
from brokerweb.queues.settling import Settlement, settle, settle_each

__all__ = [
    "NO_FAMILY",
    "Family",
    "Origin",
    "Settlement",
    "Terms",
    "check",
    "find",
    "find_by_id",
    "lease_alone",
    "publish",
    "publish_each",
    "publish_from",
    "settle",
    "settle_each",
]
