"""``--set name=value``: settings of what is declared, as REST takes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from brokerweb.cli import exits

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting, as JSON or as plain text: max_failures=5, ttl=null. Repeat it."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def parse(given: Sequence[str] | None) -> dict[str, Any]:
    """The settings of a command line. Raises BadParameter."""
    settings: dict[str, Any] = {}
    for item in given or ():
        name, equals, text = item.partition("=")
        if not (equals and name):
            raise typer.BadParameter(f"{item!r} is not NAME=VALUE")
        try:
            settings[name] = json.loads(text)
        except ValueError:
            settings[name] = text
    return settings


def confirm(question: str, *, yes: bool) -> None:
    """Go on, or end the command: asks a person, and refuses a program that has not said ``--yes``."""
    if yes:
        return
    try:
        agreed = typer.confirm(question, err=False)
    except typer.Abort:  # nobody answers
        typer.echo()
        agreed = False
    if not agreed:
        exits.fail("nothing was done; --yes answers it")
