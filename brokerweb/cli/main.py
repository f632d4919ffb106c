"""The commands, put together; and Django's own, which serve, sign in and copy."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup

import brokerweb
from brokerweb.cli import client, definitions, exits, groups, messages, queues, store, streams, tokens, topics

DJANGO = ("serve", "signin", "demo", "copy")  # commands of Django's, with their own options
ANYWHERE = ("--url", "--token", "--data")  # options that may stand anywhere in the line
ADOPTED = {"--data": "BROKERWEB_DATA", "--token": "BROKERWEB_TOKEN"}
ORDER = (
    "serve", "signin", "demo", "queue", "stream", "topic", "group", "publish", "consume", "tail", "peek", "redrive", "token",
    "definitions", "backup", "restore", "copy", "doctor",
)  # fmt: skip
ABOUT = (
    "A message broker that lives in a browser, a REST call and a WebSocket.\n\n"
    "Commands speak REST with the broker of BROKERWEB_URL and BROKERWEB_TOKEN, or with the one of the data directory."
)


class InOrder(TyperGroup):
    """Lists the commands in the order in which they are met, and those of Django's where they belong."""

    def list_commands(self, ctx: object) -> list[str]:
        return sorted(self.commands, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    cls=InOrder, help=ABOUT, epilog=exits.HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)
GROUPS = {"queue": queues, "stream": streams, "topic": topics, "group": groups, "token": tokens, "definitions": definitions}
for name, group in GROUPS.items():
    app.add_typer(group.app, name=name)
for command in (*messages.COMMANDS, *store.COMMANDS):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"brokerweb {brokerweb.__version__}")
        raise typer.Exit


@app.callback()
def options(
    url: Annotated[str | None, typer.Option(help="The broker's address.", envvar="BROKERWEB_URL")] = None,
    token: Annotated[str | None, typer.Option(help="A token; better in the environment.", envvar="BROKERWEB_TOKEN")] = None,
    data: Annotated[str | None, typer.Option(help="The broker's data directory.", envvar="BROKERWEB_DATA")] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """What all commands take."""
    if data:
        os.environ["BROKERWEB_DATA"] = data
    client.given(url=url, token=token)


def _django(name: str, about: str) -> None:
    @app.command(name, help=about, add_help_option=False, context_settings={"ignore_unknown_options": True})
    def _(arguments: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None) -> None:
        raise AssertionError("run() does not let it come here")


_django("serve", "Run the broker. Console, REST, WebSocket and background duties, on one port.")
_django("signin", "Print a link to sign in with: one use, 15 minutes.")
_django("copy", "Copy a stopped broker's database into another. sqlite:PATH or postgresql://…")
_django("demo", "A broker of its own with a shop's traffic and its troubles.")


def run() -> None:
    """The program."""
    common, rest = _parted(sys.argv[1:])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells every call, where Django has set logging up
    if rest[:1] and rest[0] in DJANGO:
        from brokerweb.management.entry import execute

        execute([sys.argv[0], rest[0], *_not_adopted(common), *rest[1:]])
    else:
        signal.signal(signal.SIGTERM, _terminated)
        _run([*common, *rest])


def _run(arguments: list[str]) -> NoReturn:
    """Ends with a status of its own where nobody reads any more, which click takes for any failure."""
    try:
        try:
            app(arguments, prog_name="brokerweb")
        finally:
            sys.stdout.flush()  # or it fails where Python ends, which says so on stderr
    except (SystemExit, BrokenPipeError) as end:
        if not isinstance(end, BrokenPipeError) and not isinstance(end.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        sys.exit(exits.CLOSED)
    sys.exit()


def _terminated(number: int, frame: object) -> NoReturn:
    """As Ctrl-C does: what was taken and not printed is given back. The first process of a container has no other end."""
    sys.exit(128 + number)


def _parted(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The options that all commands take, each as ``--name=value``, and the rest in its order."""
    common: list[str] = []
    rest: list[str] = []
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            rest += [argument, *left]
        elif argument in ANYWHERE:
            common.append(argument if (value := next(left, None)) is None else f"{argument}={value}")
        elif argument.partition("=")[0] in ANYWHERE:
            common.append(argument)
        else:
            rest.append(argument)
    return common, rest


def _not_adopted(common: list[str]) -> list[str]:
    """Those of the common options that the environment has no place for; Django's commands read the others there."""
    left = []
    for option in common:
        name, equals, value = option.partition("=")
        if equals and name in ADOPTED:
            os.environ[ADOPTED[name]] = value
        else:
            left.append(option)
    return left
