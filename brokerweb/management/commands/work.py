"""``manage.py work``: runs the tasks of a project whose TASKS has ``brokerweb.tasks.Backend``."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError

from brokerweb.handlers.sources import PartitionedSource, Source
from brokerweb.management.running import RunnerCommand
from brokerweb.tasks import declared


class Command(RunnerCommand):
    name = "work"
    help = (
        "Runs tasks: functions on threads, coroutines on a loop, of the queues that TASKS names for brokerweb.tasks.Backend. "
        "Until SIGTERM or SIGINT; what runs then may end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queues", default="", metavar="A,B", help="only tasks of these queues; of all that TASKS names")
        super().add_arguments(parser)

    def sources(self, **given: Any) -> Sequence[Source | PartitionedSource]:
        backends = declared.backends()
        if not backends:
            raise CommandError('TASKS has no backend "brokerweb.tasks.Backend"')
        from brokerweb.tasks.working import TaskSource  # late: it needs Django's tasks

        known = {str(name) for backend in backends for name in backend.queues}
        named = [name for name in map(str.strip, given["queues"].split(",")) if name]
        return [TaskSource(name) for name in _chosen(named, known, any_queue=not all(each.queues for each in backends))]


def _chosen(named: list[str], known: set[str], *, any_queue: bool) -> list[str]:
    """Those that are named, or all that are known. Raises CommandError."""
    unknown = [] if any_queue else [name for name in named if name not in known]
    if unknown:
        raise CommandError(f"TASKS does not name {', '.join(unknown)}; it names {', '.join(sorted(known))}")
    if not (named or known):
        raise CommandError("TASKS names no queues: say by --queues which it is to work on")
    return list(dict.fromkeys(named)) or sorted(known)
