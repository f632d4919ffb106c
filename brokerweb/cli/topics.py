"""``brokerweb topic``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from brokerweb.cli.client import Broker, path
from brokerweb.cli.output import Json, counted, show_fields, show_list
from brokerweb.cli.settings import Settings, Yes, confirm, parse

app = typer.Typer(help="Topics: list, show, create, bind, unbind, delete.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(help="The topic's name.")]
Pattern = Annotated[str, typer.Argument(help="Routing keys: orders.*.created; * is one word, # any number.")]
To = Annotated[str, typer.Argument(help="queue:NAME or stream:NAME.")]


COLUMNS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "TOPIC": lambda topic: topic["name"],
    "BINDINGS": lambda topic: len(topic["bindings"]),
    "UNROUTED": lambda topic: topic["unrouted"],
    "DROPPED": lambda topic: topic["dropped"],
    "MISSING": lambda topic: ", ".join(topic["missing"]),
}
BINDINGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "PATTERN": lambda binding: binding["pattern"],
    "TO": lambda binding: binding["to"],
    "HEADERS": lambda binding: binding.get("headers") or "",
}


@app.command("list")
def list_(prefix: Annotated[str | None, typer.Option(help="Only names that begin so.")] = None, json: Json = False) -> None:
    """Topics and how many bindings each has."""
    broker = Broker()
    found = list(broker.items(path("topics"), prefix=prefix))
    show_list(found, COLUMNS, empty=f"There are no topics{broker.seen}.", json=json)


@app.command()
def show(name: Name, json: Json = False) -> None:
    """A topic's bindings."""
    found = Broker().call("GET", path("topics", name))
    show_fields({field: value for field, value in found.items() if json or field != "bindings"}, json=json)
    if not json:
        show_list(found["bindings"], BINDINGS, empty="Nothing is bound.", json=False)


@app.command()
def create(name: Name, settings: Settings = None, json: Json = False) -> None:
    """Create a topic, or change the settings named."""
    found = Broker().call("PUT", path("topics", name), parse(settings))
    show_fields(found, json=json)


@app.command()
def bind(name: Name, pattern: Pattern, to: To) -> None:
    """Lead keys of a pattern to a queue or stream.

    What is published under them is copied there.
    """
    Broker().call("POST", path("topics", name, "bindings"), {"bindings": [{"pattern": pattern, "to": to}]})


@app.command()
def unbind(name: Name, pattern: Pattern, to: To) -> None:
    """Take a binding away."""
    Broker().call("DELETE", path("topics", name, "bindings"), {"bindings": [{"pattern": pattern, "to": to}]})


@app.command()
def delete(name: Name, yes: Yes = False) -> None:
    """Delete a topic and its bindings; what they led to stays."""
    broker = Broker()
    bindings = broker.call("GET", path("topics", name))["bindings"]
    confirm(f"Delete topic {name} and its {counted(len(bindings), 'binding')}?", yes=yes)
    broker.call("DELETE", path("topics", name))
