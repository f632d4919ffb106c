"""``manage.py consume``: runs handlers."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError

from brokerweb.core.errors import Conflict
from brokerweb.handlers import registry
from brokerweb.handlers.checks import twice
from brokerweb.handlers.choosing import source_of
from brokerweb.handlers.registry import Consumer
from brokerweb.handlers.sources import PartitionedSource, Source
from brokerweb.management.running import RunnerCommand
from brokerweb.storage.reading import Reads, read


class Command(RunnerCommand):
    help = (
        "Runs the handlers of the project: functions and coroutines that brokerweb.consumer names, in the apps' modules "
        "consumers. Until SIGTERM or SIGINT; what runs then may end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "names", nargs="*", metavar="QUEUE", help="only handlers of these queues, or STREAM/GROUP; all where none is named"
        )
        super().add_arguments(parser)

    def sources(self, **given: Any) -> Sequence[Source | PartitionedSource]:
        chosen = _chosen(registry.discover(), given["names"])
        if wrong := twice(chosen):
            raise CommandError("\n".join(wrong))
        try:
            return read(_sources, chosen)
        except Conflict as error:
            raise CommandError(str(error)) from error


def _chosen(there: list[Consumer], names: Sequence[str]) -> list[Consumer]:
    """The handlers of these queues and groups. Raises CommandError for a name that nobody handles."""
    if not there:
        raise CommandError('there are no handlers: name one with @consumer("QUEUE") in an app\'s module consumers.py')
    known = {consumer.place for consumer in there}
    if unknown := [name for name in names if name not in known]:
        raise CommandError(f"no handler is for {', '.join(unknown)}; there are handlers for {', '.join(sorted(known))}")
    return [consumer for consumer in there if not names or consumer.place in names]


def _sources(reads: Reads, chosen: Sequence[Consumer]) -> list[Source | PartitionedSource]:
    return [source_of(reads, consumer) for consumer in chosen]
