"""A runner of jobs, whose commits are real."""

from __future__ import annotations

import pytest

from tests.jobs.bench import Runner
from tests.queues.bench import Time


@pytest.fixture
def runner(transactional_db: None, time: Time) -> Runner:
    return Runner(time)
