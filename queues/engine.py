"""The hot verbs, under one name each. They know no protocol, check no permission, and run in the caller's transaction."""

from queues.leasing import Terms, lease
from queues.publishing import publish
from queues.settling import settle

__all__ = ["Terms", "lease", "publish", "settle"]
