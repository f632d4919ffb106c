"""The broker that the tests of the faces have, what states are brought about with, and a runner of jobs."""

from __future__ import annotations

import pytest

from tests.faces.conftest import browser, either, name, node, queue, rest, server
from tests.jobs.bench import Runner
from tests.queues.bench import Time

__all__ = ["browser", "either", "name", "node", "queue", "rest", "server"]


@pytest.fixture
def runner(transactional_db: None, time: Time) -> Runner:
    """Its commits are real."""
    return Runner(time)
