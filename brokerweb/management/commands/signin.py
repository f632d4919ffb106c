"""``manage.py signin``: another link to sign in with."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from brokerweb import conf
from brokerweb.core.errors import NotFound, Unavailable
from brokerweb.delivery import nodes
from brokerweb.identity import signin
from brokerweb.servers import database
from brokerweb.servers.claim import files, refuse_data_elsewhere
from brokerweb.servers.lock import url_of_server


class Command(BaseCommand):
    help = "Prints a sign-in link: one use, 15 minutes; to the running server unless an address is given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", nargs="?", default="admin", help="whom it signs in")
        for name in ("data", "bind", "public_url"):
            parser.add_argument(conf.flags()[name], help="as for serve")

    def handle(self, *args: Any, **given: Any) -> None:
        conf.adopt_given(given)
        try:
            found = files()
            refuse_data_elsewhere(conf.get(), found)
        except conf.BadOption as error:
            raise CommandError(str(error)) from error
        try:
            here = None if given["bind"] or given["public_url"] else url_of_server(found) if found else nodes.url_of_one()
            self.stdout.write(signin.link(given["user"], here or conf.get().url))
        except (DatabaseError, Unavailable) as error:
            where = found.shown if found else database.shown()
            raise CommandError(f"no link can be made in {where} ({' '.join(str(error).split())}); start serve first") from error
        except NotFound as error:
            raise CommandError(f"{error}; the first start of serve creates admin") from error
