"""Tests as a Django team has them; ``test_in_projects`` runs them in the example project, by Django's runner and by pytest."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import TestCase, TransactionTestCase
from shop.models import Order  # type: ignore[import-not-found]  # of the example
from shop.ordering import place_order  # type: ignore[import-not-found]  # the project it runs in has it

from brokerweb import consumer, queues
from brokerweb.testing import Broker, BrokerTestMixin

DECLARED = "billing" in getattr(settings, "BROKERWEB", {}).get("queues", {})


@consumer("billing", atomic=True)
def bill(message: queues.Received) -> None:
    Order.objects.create(customer=f"billed {message.body['order']}", total=message.body["total"])


def declared() -> None:
    """Where the settings have no queue a test makes its own."""
    if not DECLARED:
        queues.declare("billing")


class OrderTests(BrokerTestMixin, TestCase):
    """Rolled back."""

    @classmethod
    def setUpTestData(cls) -> None:
        declared()

    def test_an_order_is_billed(self) -> None:
        place_order("ada", Decimal(1))
        self.assert_published("billing", count=1, key="ada")
        assert self.run_consumers().handled == 1
        assert Order.objects.count() == 2
        self.assert_published("billing", count=1, state="settled")

    def test_and_gone_for_the_next(self) -> None:
        self.assert_not_published("billing")
        assert self.published("billing") == []
        with self.assertRaises(ValueError):  # noqa: PT027 (as a team on unittest has it)
            place_order("ada", Decimal(0))
        self.assert_not_published("billing")

    async def test_from_a_coroutine(self) -> None:
        await sync_to_async(place_order)("ada", Decimal(1))
        assert (await sync_to_async(self.run_consumers)()).handled == 1

    def test_a_view_publishes_in_the_same_transaction(self) -> None:
        answer: Any = self.client.post("/orders", {"customer": "grace", "total": "2"})
        assert answer.status_code == 201
        self.broker.assert_published("billing", count=1, body={"order": answer.json()["order"], "total": "2"})


class CommittedTests(BrokerTestMixin, TransactionTestCase):
    """Commits are real, and all tables are emptied in between, those of the declared queues, too."""

    def setUp(self) -> None:
        super().setUp()
        declared()

    def test_an_order_is_billed(self) -> None:
        place_order("ada", Decimal(1))
        assert self.run_consumers("billing").handled == 1
        self.assert_published("billing", count=1)

    def test_again(self) -> None:
        self.assert_not_published("billing")
        place_order("ada", Decimal(1))
        self.assert_published("billing", count=1, state="ready")


def test_by_pytest(broker: Broker) -> None:
    declared()
    place_order("ada", Decimal(1))
    broker.assert_published("billing", count=1)
    assert broker.run_consumers().handled == 1


def test_by_pytest_with_commits(transactional_db: None, broker: Broker) -> None:
    declared()
    place_order("ada", Decimal(1))
    broker.assert_published("billing", count=1)
    assert broker.run_consumers().handled == 1
