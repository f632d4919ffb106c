"""The same for Django's own test cases."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brokerweb.testing.broker import Broker, Ran
    from brokerweb.testing.published import Published


class BrokerTestMixin:
    """Before ``TestCase`` or ``TransactionTestCase``: what ``Broker`` has, as the test's own, and ``self.broker``."""

    @cached_property
    def broker(self) -> Broker:
        from brokerweb.testing.broker import Broker

        return Broker()

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]  # of the test case
        _ = self.broker  # what the settings declare is there before anything is published

    def published(self, to: str) -> list[Published]:
        """See ``Broker.published``."""
        return self.broker.published(to)

    def assert_published(self, to: str, *, count: int | None = None, **fields: Any) -> list[Published]:
        """See ``Broker.assert_published``."""
        __tracebackhide__ = True
        return self.broker.assert_published(to, count=count, **fields)

    def assert_not_published(self, to: str, **fields: Any) -> None:
        """See ``Broker.assert_not_published``."""
        __tracebackhide__ = True
        self.broker.assert_not_published(to, **fields)

    def run_consumers(self, *sources: str, **options: Any) -> Ran:
        """See ``Broker.run_consumers``."""
        return self.broker.run_consumers(*sources, **options)

    def run_tasks(self, *queues: str, **options: Any) -> Ran:
        """See ``Broker.run_tasks``."""
        return self.broker.run_tasks(*queues, **options)
