"""``manage.py signin``: another link to sign in with."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from brokerweb import conf
from brokerweb.core.errors import NotFound


class Command(BaseCommand):
    help = "Prints a sign-in link: one use, 15 minutes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", nargs="?", default="admin", help="whom it signs in")
        for flag in ("--data", "--bind", "--public-url"):
            parser.add_argument(flag, help="as for serve")

    def handle(self, *args: Any, **given: Any) -> None:
        from brokerweb.identity import signin

        try:
            self.stdout.write(signin.link(given["user"], conf.get().url))
        except NotFound as error:
            raise CommandError(error.detail) from error
