"""Tasks on the caller's own thread, until none is ready: for tests of a project."""

from __future__ import annotations

from brokerweb.handlers.draining import Drained, drain
from brokerweb.tasks import declared
from brokerweb.tasks.working import TaskSource


def run_tasks(*queues: str, limit: int = 10_000) -> Drained:
    """Run the tasks that are ready, of these queues or of all that TASKS names, those among them that they enqueue: ``done`` says
    how many returned, ``failures`` how the others failed, which wait for their next attempt. In the caller's transaction.
    """
    named = queues or tuple(dict.fromkeys(name for _, name, _ in declared.queues()))
    return drain([TaskSource(queue) for queue in named], limit=limit)
