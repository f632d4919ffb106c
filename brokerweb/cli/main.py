"""The commands, put together; and Django's own, which serve, sign in and copy."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

import brokerweb
from brokerweb.cli import client, exits, groups, messages, queues, store, streams, tokens, topics

DJANGO = ("serve", "signin", "demo", "copy")  # commands of Django's, with their own options
ANYWHERE = ("--url", "--token", "--data")  # options that may stand anywhere in the line
ABOUT = (
    "A message broker that lives in a browser, a REST call and a WebSocket.\n\n"
    "Commands speak REST with the broker of BROKERWEB_URL and BROKERWEB_TOKEN, or with the one of the data directory."
)

app = typer.Typer(help=ABOUT, epilog=exits.HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
for name, group in {"queue": queues, "stream": streams, "topic": topics, "group": groups, "token": tokens}.items():
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


_django("serve", "Run the broker: console, REST, WebSocket and background duties, on one port.")
_django("signin", "Print a link to sign in with: one use, 15 minutes.")
_django("copy", "Copy a stopped broker's database into another: sqlite:PATH or postgresql://…")
_django("demo", "A broker of its own with a shop's traffic and its troubles.")


def run() -> None:
    """The program."""
    arguments = sys.argv[1:]
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells every call, where Django has set logging up
    if arguments[:1] and arguments[0] in DJANGO:
        from brokerweb.management.entry import execute

        execute([sys.argv[0], *arguments])
    else:
        app(_first(arguments), prog_name="brokerweb")


def _first(arguments: list[str]) -> list[str]:
    """The arguments, with those that all commands take before the command's name, where click looks for them."""
    common: list[str] = []
    rest: list[str] = []
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            rest += [argument, *left]
        elif argument in ANYWHERE:
            common += [argument, *([value] if (value := next(left, None)) is not None else [])]
        elif argument.partition("=")[0] in ANYWHERE:
            common.append(argument)
        else:
            rest.append(argument)
    return common + rest
