"""``brokerweb stream``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from brokerweb.cli.client import Broker, path
from brokerweb.cli.output import Json, show_fields, show_list
from brokerweb.cli.settings import Settings, Yes, confirm, parse

app = typer.Typer(help="Streams: list, show, create, delete.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(help="The stream's name.")]


COLUMNS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "STREAM": lambda stream: stream["name"],
    "PARTITIONS": lambda stream: len(stream["end"]),
    "RECORDS": lambda stream: sum(stream["records"].values()),
    "BYTES": lambda stream: sum(stream["bytes"].values()),
    "IN/S": lambda stream: stream["rates"]["appended"],
}


@app.command("list")
def list_(prefix: Annotated[str | None, typer.Option(help="Only names that begin so.")] = None, json: Json = False) -> None:
    """Streams, and how much each holds."""
    broker = Broker()
    found = list(broker.items(path("streams"), prefix=prefix))
    show_list(found, COLUMNS, empty=f"There are no streams{broker.seen}.", json=json)


@app.command()
def show(name: Name, json: Json = False) -> None:
    """A stream's partitions and settings."""
    found = Broker().call("GET", path("streams", name))
    show_fields(found, json=json)


@app.command()
def create(name: Name, settings: Settings = None, json: Json = False) -> None:
    """Create a stream, or change the settings named."""
    found = Broker().call("PUT", path("streams", name), parse(settings))
    show_fields(found, json=json)


@app.command()
def delete(
    name: Name,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Refuse while it has records.")] = False,
    yes: Yes = False,
) -> None:
    """Delete a stream, its records and its groups."""
    broker = Broker()
    if not if_empty:
        broker.call("GET", path("streams", name))
        confirm(f"Delete stream {name} with all its records and groups?", yes=yes)
    broker.call("DELETE", path("streams", name), if_empty="true" if if_empty else None)
