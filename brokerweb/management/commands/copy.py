"""``manage.py copy``: all that a broker has stored, into another database."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from brokerweb.core.errors import BrokerError
from brokerweb.moving.addresses import FORMS, BadAddress, parse
from brokerweb.moving.copying import Differs, copy
from brokerweb.moving.sides import Refused

BAD_ADDRESS, DIFFERS, INTERRUPTED = 2, 3, 130  # statuses; 1 is refused or failed


class Command(BaseCommand):
    help = (
        "Copies a stopped broker's database into an empty one, of SQLite or PostgreSQL: queues, messages, streams, "
        "groups, topics, jobs, users, tokens, audit. What was copied is compared at the end. Run again it goes on where it "
        "was interrupted."
    )
    requires_system_checks: list[str] = []  # they are of the database that the settings name, which is perhaps neither

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name in ("source", "target"):
            parser.add_argument(name, help=FORMS)

    def handle(self, *args: Any, **given: Any) -> None:
        try:
            source, target = (parse(given[name]) for name in ("source", "target"))
            done = copy(source, target, self._tell)
        except BadAddress as error:
            raise CommandError(str(error), returncode=BAD_ADDRESS) from error
        except Refused as error:
            raise CommandError(str(error)) from error
        except Differs as error:
            raise CommandError(str(error), returncode=DIFFERS) from error
        except (DatabaseError, BrokerError) as error:
            raise CommandError(f"{' '.join(str(error).split())}. Run the same command again to go on") from error
        except KeyboardInterrupt as error:
            raise CommandError("interrupted. Run the same command again to go on", returncode=INTERRUPTED) from error
        self._tell(f"Copied and compared: {done.rows:,} rows of {done.tables} tables, from {source.shown} to {target.shown}")

    def _tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
