"""``brokerweb group``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from brokerweb.cli.client import Broker, path
from brokerweb.cli.output import Json, counted, show_fields, show_list
from brokerweb.cli.settings import Settings, Yes, confirm, parse

app = typer.Typer(help="Consumer groups of a stream: list, show, create, delete.", no_args_is_help=True, rich_markup_mode=None)
Stream = Annotated[str, typer.Argument(help="The stream's name.")]
Name = Annotated[str, typer.Argument(help="The group's name.")]
SHOWN = ("name", "stream", "kind", "generation", "lag", "session_timeout", "start")
BY_PARTITION = ("low", "committed", "end", "assignment")
COLUMNS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "GROUP": lambda group: group["name"],
    "KIND": lambda group: group["kind"],
    "MEMBERS": lambda group: len(group["members"]),
    "LAG": lambda group: group["lag"],
    "STANDS": lambda group: (group.get("verdict") or {}).get("code", "–"),
}
PLACES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "PARTITION": lambda place: int(place["partition"]),
    "LOW": lambda place: int(place["low"]),
    "COMMITTED": lambda place: int(place["committed"]),
    "END": lambda place: int(place["end"]),
    "LAG": lambda place: int(place["end"]) - int(place["committed"]),
    "MEMBER": lambda place: place["assignment"],
}


@app.command("list")
def list_(stream: Stream, json: Json = False) -> None:
    """A stream's groups, their members and lag."""
    found = list(Broker().items(path("streams", stream, "groups"), verdict="true"))
    show_list(found, COLUMNS, empty=f"Stream {stream} has no groups.", json=json)


@app.command()
def show(stream: Stream, name: Name, json: Json = False) -> None:
    """A group's members and positions.

    Every position is the next offset to read.
    """
    found = Broker().call("GET", path("streams", stream, "groups", name))
    show_fields({key: value for key, value in found.items() if json or key in SHOWN}, json=json)
    if not json:
        places = [{"partition": p} | {key: found[key].get(p) for key in BY_PARTITION} for p in found["end"]]
        show_list(places, PLACES, empty="It has no partitions.", json=False)


@app.command()
def create(stream: Stream, name: Name, settings: Settings = None, json: Json = False) -> None:
    """Create a group, or change the settings named."""
    found = Broker().call("PUT", path("streams", stream, "groups", name), parse(settings))
    show_fields(found, json=json)


@app.command()
def delete(stream: Stream, name: Name, yes: Yes = False) -> None:
    """Delete a group; its members' subscriptions end."""
    broker = Broker()
    members = broker.call("GET", path("streams", stream, "groups", name))["members"]
    confirm(f"Delete group {name} of {stream}, which has {counted(len(members), 'member')}?", yes=yes)
    broker.call("DELETE", path("streams", stream, "groups", name))
