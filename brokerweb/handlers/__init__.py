"""Handlers: functions and coroutines that work on messages and records, and the runner that calls them.

    # shop/consumers.py
    from brokerweb import consumer

    @consumer("orders", timeout=20)
    def ship(message):
        Parcel.objects.create(order_id=message.body["id"])

``manage.py consume`` calls it with every message of the queue ``orders``. It returns: the message is acknowledged. It raises:
that is the message's failure, and the queue's backoff and ``max_failures`` decide what follows.
"""

from __future__ import annotations

from brokerweb.handlers.registry import Consumer, consumer
from brokerweb.handlers.work import LeaseLost, Reject, Retry, TimeLimit

__all__ = ["Consumer", "LeaseLost", "Reject", "Retry", "TimeLimit", "consumer"]
