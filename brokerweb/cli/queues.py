"""``brokerweb queue``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer

from brokerweb.cli.client import Broker, path
from brokerweb.cli.output import Json, counted, show_fields, show_list
from brokerweb.cli.settings import Settings, Yes, confirm, parse

app = typer.Typer(help="Queues: list, show, create, delete.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(help="The queue's name.")]


def _count(state: str, queue: dict[str, Any]) -> int:
    return int(queue["counts"][state])


STATES = ("ready", "leased", "scheduled", "blocked", "dead")
COLUMNS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "QUEUE": lambda queue: queue["name"],
    **{state.upper(): partial(_count, state) for state in STATES},
    "IN/S": lambda queue: queue["rates"]["published"],
    "OUT/S": lambda queue: queue["rates"]["acked"],
    "CONSUMERS": lambda queue: queue["consumers"],
    "STANDS": lambda queue: (queue.get("verdict") or {}).get("code", "–"),
}


@app.command("list")
def list_(prefix: Annotated[str | None, typer.Option(help="Only names that begin so.")] = None, json: Json = False) -> None:
    """Queues, how much each holds, and what stands still."""
    broker = Broker()
    found = list(broker.items(path("queues"), prefix=prefix, verdict="true"))
    show_list(found, COLUMNS, empty=f"There are no queues{broker.seen}.", json=json)


@app.command()
def show(name: Name, json: Json = False) -> None:
    """A queue's counts, rates and settings."""
    found = Broker().call("GET", path("queues", name))
    show_fields(found, json=json)


@app.command()
def create(name: Name, settings: Settings = None, json: Json = False) -> None:
    """Create a queue, or change the settings named."""
    found = Broker().call("PUT", path("queues", name), parse(settings))
    show_fields(found, json=json)


@app.command()
def delete(
    name: Name,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Refuse while it holds messages.")] = False,
    yes: Yes = False,
) -> None:
    """Delete a queue and its messages."""
    broker = Broker()
    if not if_empty:
        counts = broker.call("GET", path("queues", name))["counts"]
        confirm(f"Delete queue {name} and its {counted(sum(counts.values()), 'message')}?", yes=yes)
    broker.call("DELETE", path("queues", name), if_empty="true" if if_empty else None)
