"""Commits are real here, and time stands still."""

from __future__ import annotations

import pytest

from tests.jobs.bench import Runner
from tests.postgres import REAL_COMMITS
from tests.queues.bench import Time


@pytest.fixture
def time(request: pytest.FixtureRequest, time: Time) -> Time:
    request.getfixturevalue(request.param)
    return time


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """On SQLite; of modules with ``ON_BOTH`` on PostgreSQL, too; unless a test says on which."""
    chosen = any(mark.args[0] == "time" for mark in metafunc.definition.iter_markers("parametrize"))
    if "time" in metafunc.fixturenames and not chosen:
        both = getattr(metafunc.module, "ON_BOTH", False)
        metafunc.parametrize("time", REAL_COMMITS if both else REAL_COMMITS[:1], indirect=True)


@pytest.fixture
def runner(time: Time) -> Runner:
    return Runner(time)
