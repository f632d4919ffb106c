"""What the commands share that work on messages until they are told to stop: their arguments, words and statuses."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from brokerweb.core.errors import BrokerError
from brokerweb.handlers.runner import Missing, Runner
from brokerweb.handlers.sources import PartitionedSource, Source

CONCURRENCY, GRACE = 8, 30.0


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1000:
        raise ArgumentTypeError("is a number from 1 to 1000")
    return int(text)


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 86_400:
        raise ArgumentTypeError("is a number of seconds, at most 86400")
    return found


class RunnerCommand(BaseCommand):
    """A command that runs a ``Runner``. It says which sources there are, by ``sources``."""

    name = "consume"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=_whole,
            default=CONCURRENCY,
            metavar="N",
            help=f"how many run at once, of all together ({CONCURRENCY})",
        )
        parser.add_argument(
            "--grace",
            type=_seconds,
            default=GRACE,
            metavar="SECONDS",
            help=f"how long what runs may go on once it is to stop ({GRACE:g}); what then still runs is given back",
        )

    def sources(self, **given: Any) -> Sequence[Source | PartitionedSource]:
        """What to work on. Raises CommandError."""
        raise NotImplementedError

    def handle(self, *args: Any, **given: Any) -> None:
        try:
            sources = self.sources(**given)
            runner = Runner(sources, name=self.name, concurrency=given["concurrency"], grace=given["grace"], say=self.say)
            self.say(f"{runner.client} works on")
            for source in sources:
                self.say(f"  {source.name}: {source.handler.name}")
            status = runner.run()
        except Missing as missing:
            raise CommandError(
                f"{missing}\nDeclare what is missing in settings (BROKERWEB), and run manage.py migrate."
            ) from missing
        except (BrokerError, DatabaseError) as error:
            raise CommandError(
                f"the store cannot be used ({' '.join(str(error).split())}); manage.py migrate makes its tables"
            ) from error
        if status:
            os._exit(status)  # a thread may still run, and its transaction with it

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
