"""One table of conversations, held through every face on both servers, and on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faces.conversations.drivers import DRIVERS, Driver
from tests.faces.conversations.runner import hold
from tests.faces.conversations.steps import Conversation
from tests.faces.conversations.table import CONVERSATIONS
from tests.server import Server


@pytest.fixture(scope="session", params=DRIVERS)
def driver(anywhere: Server, request: pytest.FixtureRequest) -> Iterator[Driver]:
    driver = DRIVERS[request.param](anywhere)
    yield driver
    driver.close()


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda conversation: conversation.says.replace(" ", "_"))
def test_conversation(driver: Driver, conversation: Conversation) -> None:
    hold(conversation, driver)
    driver.forget()
