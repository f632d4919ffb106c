"""Tasks on both databases, with a worker on the test's own thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from brokerweb.handlers.draining import Drained
from brokerweb.queues import duties
from brokerweb.queues import results as stored
from brokerweb.queues.models import Message
from brokerweb.routing import declared
from brokerweb.storage.run import perform
from brokerweb.tasks import run_tasks
from tests.postgres import REAL_COMMITS
from tests.queues.bench import Time
from tests.tasks import jobs

BACKEND = "brokerweb.tasks.Backend"
QUEUES = ["default", "mails"]


class Worker:
    """Runs what is ready, and lets time pass."""

    def __init__(self, time: Time) -> None:
        self.time = time

    def run(self, *queues: str) -> Drained:
        return run_tasks(*queues)

    def later(self, seconds: float) -> None:
        """So much later, with what is due done."""
        self.time.advance(seconds)
        for duty in (duties.promote, duties.expire_leases, stored.forget):
            perform(duty)


@pytest.fixture(params=REAL_COMMITS)
def worker(request: pytest.FixtureRequest, settings: Any, time: Time) -> Iterator[Worker]:
    """TASKS is set and what it names is declared, as ``migrate`` does it."""
    request.getfixturevalue(request.param)
    settings.TASKS = {"default": {"BACKEND": BACKEND, "QUEUES": QUEUES}}
    declared.apply()
    jobs.ran.clear()
    yield Worker(time)
    jobs.during.clear()


def message(result: Any) -> Message:
    """The message of a result's task."""
    return Message.objects.select_related("queue").get(pk=int(result.id.partition("-")[0]))
