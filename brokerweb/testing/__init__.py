"""Help for tests of code that publishes and consumes: the project's own test database is the broker, and is rolled back.

    def test_an_order_tells_billing(broker):                # pytest, with pytest-django
        place_order("ada")
        broker.assert_published("billing", count=1, body={"order": 1})
        broker.run_consumers()

    class OrderTests(BrokerTestMixin, TestCase):            # Django's own
        def test_an_order_tells_billing(self):
            place_order("ada")
            self.assert_published("billing", count=1)

For programs that speak REST or WebSocket there is ``LiveBroker``, a server of its own, and its fixture ``live_broker``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brokerweb.testing.broker import Broker, Ran
    from brokerweb.testing.live import LiveBroker
    from brokerweb.testing.mixin import BrokerTestMixin
    from brokerweb.testing.published import Published

__all__ = ["Broker", "BrokerTestMixin", "LiveBroker", "Published", "Ran"]

_PLACES = {"Broker": "broker", "BrokerTestMixin": "mixin", "LiveBroker": "live", "Published": "published", "Ran": "broker"}


def __getattr__(name: str) -> object:
    # Lazily: pytest imports this package in every project that brokerweb is installed for, with Django or without.
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(f"brokerweb.testing.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
