"""What pytest finds once brokerweb is installed: the fixtures ``broker`` and ``live_broker``. Unused they cost nothing.

Django, and the rest of brokerweb, are imported by the first test that takes one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from brokerweb.testing.broker import Broker
    from brokerweb.testing.live import LiveBroker


def pytest_configure(config: pytest.Config) -> None:
    """``broker`` stands on pytest-django's ``db`` by name: only of such tests does that know that they need a database."""
    config.pluginmanager.register(OnDjango() if config.pluginmanager.hasplugin("django") else WithoutDjango(), "brokerweb-broker")


class OnDjango:
    """Where pytest-django is."""

    @pytest.fixture
    def broker(self, db: None) -> Broker:
        """The broker in the test's own database: what was published there, and a way to run the handlers.

        The database is that of ``db``, or of ``transactional_db`` or the mark ``django_db`` where the test has them.
        """
        from django.apps import apps

        if not apps.is_installed("brokerweb.queues"):
            pytest.fail("The fixture broker needs brokerweb's apps in INSTALLED_APPS: see docs/django.md", pytrace=False)
        from brokerweb.testing.broker import Broker

        return Broker()


class WithoutDjango:
    """Where it is not."""

    @pytest.fixture
    def broker(self) -> None:
        """The broker in the test's own database; needs pytest-django."""
        pytest.fail("The fixture broker needs pytest-django: pip install pytest-django", pytrace=False)


@pytest.fixture(scope="session")
def live_broker() -> Iterator[LiveBroker]:
    """A server for programs that speak REST or WebSocket, started once: ``url``, ``token``, ``environment``."""
    from brokerweb.testing.live import LiveBroker

    with LiveBroker() as started:
        yield started
