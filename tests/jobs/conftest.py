"""Commits are real here, and time stands still."""

from __future__ import annotations

import pytest

from brokerweb.core import clock
from tests.jobs.bench import Runner
from tests.queues.bench import Time


@pytest.fixture
def time(transactional_db: None) -> Time:
    standing = Time()
    clock.install(standing)
    return standing


@pytest.fixture
def runner(time: Time) -> Runner:
    return Runner(time)
