"""Commits are real here, and time stands still."""

from __future__ import annotations

import pytest

from tests.jobs.bench import Runner
from tests.queues.bench import Time


@pytest.fixture
def time(transactional_db: None, time: Time) -> Time:
    return time


@pytest.fixture
def runner(time: Time) -> Runner:
    return Runner(time)
