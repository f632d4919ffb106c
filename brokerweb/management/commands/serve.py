"""``manage.py serve``: the broker."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

import brokerweb
from brokerweb import conf
from brokerweb.checks import sqlite_version
from brokerweb.core import memory
from brokerweb.identity import signin
from brokerweb.identity.first_start import AdminTokenRefused, FirstStart, check_admin_token, first_start
from brokerweb.moving.progress import unfinished
from brokerweb.routing import declared
from brokerweb.servers import database
from brokerweb.servers.claim import claimed, files, is_in_data_of, refuse_data_elsewhere, usable_database
from brokerweb.servers.lock import AlreadyRunning
from brokerweb.servers.workers import Workers
from brokerweb.storage.losses import DataLost

# An interpreter that switches threads every 5 ms lets a busy thread starve the committer from commit to commit.
SWITCH_INTERVAL = 0.000_05
OWN_SETTINGS = "brokerweb.settings"
OWN_MANAGE = Path(brokerweb.__file__).resolve().parent.parent / "manage.py"


class Command(BaseCommand):
    help = "Runs the broker: console, REST, WebSocket and background duties, on one port."

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, flag in conf.flags().items():
            spec = conf.OPTIONS[name].metadata
            parser.add_argument(flag, help=f"{spec['doc']} ({spec['variable']})")
        parser.add_argument("--workers", type=int, default=1, help="so many processes on one port, on PostgreSQL")
        parser.add_argument("--no-migrate", action="store_true", help="leave the database's schema as it is")
        parser.add_argument(
            "--accept-loss", action="store_true", help="start although something is missing that was stored, as after a restore"
        )

    def handle(self, *args: Any, **given: Any) -> None:
        conf.adopt_given(given)
        options = conf.get()
        refuse_workers(given["workers"])
        refuse_admin_token(options)
        os.umask(0o007)  # messages, hashes and the log of the store are nobody else's
        try:
            refuse_data_elsewhere(options, files())
            with claimed(files(), accept_loss=given["accept_loss"], tell=self.stdout.write) as note_url:
                self.serve(options, note_url, workers=given["workers"], migrate=not given["no_migrate"])
        except AlreadyRunning as error:
            raise CommandError(f"{error}; stop it first, or choose another --data") from error
        except DataLost as error:
            raise CommandError(f"{error}. Put it back, or serve with --accept-loss to go on with what is there") from error
        except conf.BadOption as error:
            raise CommandError(str(error)) from error

    def serve(self, options: conf.Conf, note_url: Callable[[str, str], None], *, workers: int, migrate: bool) -> None:
        """Prepare the data, say where to go, and serve until a signal. The lock is held."""
        with usable_database(), database.alone():
            prepare_schema(migrate=migrate)
            for said in declared.apply():
                self.stdout.write(said)
            str(settings.SECRET_KEY)  # read and kept while the database that may hold it is there
        from brokerweb.asgi import application, project_sockets  # late: what it imports is nothing for other commands

        project_sockets()  # an error in the project's own shows now, and not to its first client
        sock = bind(options)
        port = sock.getsockname()[1]
        here = f"http://{options.shown_host}:{port}"
        url = options.public_url[0] if options.public_url else here
        note_url(url, here)
        self.say_hello(options, url, workers)
        with usable_database():
            database.settle()
        sys.setswitchinterval(SWITCH_INTERVAL)
        memory.keep_freed()
        memory.keep_made()

        def run() -> None:
            import_module(f"brokerweb.servers.{options.server}").run(application, sock, options)

        if workers == 1:
            run()
            memory.let_go()
        elif status := Workers(workers, run, close=sock.close).run():
            sys.exit(status)

    def say_hello(self, options: conf.Conf, url: str, workers: int = 1) -> None:
        """Who can sign in and where; secrets of a first start are shown this once."""
        with usable_database(), database.alone():
            first = first_start(options.admin_password, options.admin_token)
        server = options.server if workers == 1 else f"{options.server}, {workers} workers"
        self.stdout.write(f"brokerweb {brokerweb.__version__} on {url} ({server}, {where(options)})")
        if first is not None:
            self.say_secrets(first, url, options)
        if not options.public_url and not options.is_loopback:
            self.stdout.write("It listens beyond this machine: name the address people use in BROKERWEB_PUBLIC_URL.")
        self.stdout.flush()

    def say_secrets(self, first: FirstStart, url: str, options: conf.Conf) -> None:
        """What nobody can look up later."""
        if first.code is not None:
            whom = "" if first.created else f" as {first.username}"
            self.stdout.write(f"Sign in{whom}, once, within 15 minutes:  {signin.link_of(first.code, url)}")
        if first.password is not None:
            begin = "Or as" if first.code else "A user was made, to sign in as"
            self.stdout.write(f"{begin} {first.username} with the password:  {first.password}")
        if first.token is not None:
            self.stdout.write(f"A token for programs, shown this once:  {first.token}")
        if first.code is not None:
            self.stdout.write(f"Another link, later:  {signin_command(options, first)}")


def refuse_workers(n: int) -> None:
    """Raises CommandError rather than run as something else than was asked for."""
    if n < 1:
        raise CommandError("--workers is a number of processes, at least 1")
    if n > 1 and connection.vendor == "sqlite":
        raise CommandError("--workers needs PostgreSQL: SQLite has one writer, and one process serves it best")


def where(options: conf.Conf) -> str:
    """What the data are stored in, and where that really is."""
    found = files()
    if found is None:
        return f"PostgreSQL {database.version()}, database {database.shown()}"
    data = f", data in {options.data.absolute()}" if is_in_data_of(options, found) else ""
    return f"SQLite {sqlite_version()}, database {found.database}{data}"


def refuse_admin_token(options: conf.Conf) -> None:
    """Raises CommandError before anything is made."""
    try:
        if options.admin_token:
            check_admin_token(options.admin_token)
    except AdminTokenRefused as error:
        raise CommandError(f"BROKERWEB_ADMIN_TOKEN: {error}") from error


def signin_command(options: conf.Conf, first: FirstStart) -> str:
    """What to type in this directory, whatever the environment then holds; in any directory, where a module was run."""
    words = [*_program(), "signin"]
    if not first.created:
        words.append(str(first.username))
    if options.data == conf.Conf.data or not is_in_data_of(options, files()):
        return shlex.join(words)
    if Path(sys.argv[0]).resolve() == OWN_MANAGE:
        return shlex.join([*words, "--data", str(options.data)])
    return f"BROKERWEB_DATA={shlex.quote(str(options.data))} {shlex.join(words)}"  # a project's own reads settings before flags


def _program() -> list[str]:
    """This program, as a shell starts it again."""
    python, program = Path(sys.executable), Path(sys.argv[0])
    if program.name == "brokerweb":
        return [sys.argv[0]]
    if program.name == "__main__.py":  # of a package, which as a file would not find its own modules
        own = os.environ.get("DJANGO_SETTINGS_MODULE") == OWN_SETTINGS
        return [str(python), "-m", "brokerweb" if own else program.parent.name]
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return [str(python), sys.argv[0]]


def prepare_schema(*, migrate: bool) -> None:
    """Migrations have run when this returns. Raises CommandError where they must not: some of it would not work, or all."""
    if unfinished(connection):
        raise CommandError("the database holds a part of what `copy` was to bring: run that again, or take another database")
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return  # as at most starts; ``migrate`` itself would take longer to find that than all else takes
    if not migrate:
        raise CommandError("the database's schema is not up to date: run manage.py migrate, or serve without --no-migrate")
    call_command("migrate", interactive=False, verbosity=0)


def bind(options: conf.Conf) -> socket.socket:
    """The socket to serve on, bound but not yet listening: nobody connects before the broker is ready."""
    host, port = conf.split_bind(options.bind)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        raise CommandError(f"cannot listen on {options.bind}: {error.strerror or error}") from error
    return sock
