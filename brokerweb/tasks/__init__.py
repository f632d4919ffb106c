"""Django's tasks on brokerweb's queues.

    TASKS = {"default": {"BACKEND": "brokerweb.tasks.Backend"}}

    from brokerweb.tasks import task

    @task(max_attempts=5, backoff=[1, 10, 60])
    def send(order_id): ...

    with transaction.atomic():
        order.save()
        send.enqueue(order.pk)

A task is a message of the queue that is called as its ``queue_name``; ``manage.py work`` runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brokerweb.tasks.attempts import WorkerLost
    from brokerweb.tasks.backend import Backend
    from brokerweb.tasks.definition import BrokerTask, task
    from brokerweb.tasks.draining import run_tasks

__all__ = ["Backend", "BrokerTask", "WorkerLost", "run_tasks", "task"]
_PLACES = {
    "Backend": "backend",
    "BrokerTask": "definition",
    "WorkerLost": "attempts",
    "run_tasks": "draining",
    "task": "definition",
}


def __getattr__(name: str) -> object:
    # Lazily: neither Django's tasks nor the package django-tasks need be there for the rest of brokerweb.
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(f"brokerweb.tasks.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
