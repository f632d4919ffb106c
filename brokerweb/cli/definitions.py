"""``brokerweb definitions``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from brokerweb.cli import exits
from brokerweb.cli.client import Broker, path
from brokerweb.cli.output import Json, print_json, show_list
from brokerweb.cli.settings import Yes, confirm

ABOUT = "Everything declared as one JSON document: queues, streams, groups, topics, masks, schemas, channels and rules of alerts."
app = typer.Typer(help=ABOUT, no_args_is_help=True, rich_markup_mode=None)
Only = Annotated[
    str | None,
    typer.Option(
        metavar="KIND,…", help="Some kinds alone: queues, streams, groups, topics, masks, schemas, alert_channels, alert_rules."
    ),
]
COLUMNS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "ACT": lambda step: step["act"],
    "KIND": lambda step: step["kind"].replace("_", " "),
    "NAME": lambda step: step["name"],
    "SETTINGS": lambda step: ", ".join(step["after"] or {}) if step["act"] == "change" else "",
}


@app.command()
def export(only: Only = None) -> None:
    """Print what is declared, for a file or for import.

    Messages, tokens, people and secrets are not in it: of the URL that a channel of alerts leads to it says the host alone.
    """
    print_json(Broker().call("GET", path("definitions"), only=only))


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="The document; - for standard input.")] = "-",
    only: Only = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and do nothing.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Create and change what a document names. Nothing is deleted.

    What it would do is shown, and asked about, unless --yes says so. What is wrong with it, or does not fit what there is, is
    refused as a whole. With --json the steps are printed as a list, each with act, kind, name, before and after.
    """
    text, broker = _text(file), Broker()
    plan = broker.call("PUT", path("definitions"), text=text, only=only, dry_run="true")
    steps = _steps(plan)
    if dry_run or not steps:
        return _show(steps, json=json)
    if not (yes or json):
        _show(steps, json=False)
    confirm(f"Create {len(plan['create'])} and change {len(plan['change'])}?", yes=yes)
    done = _steps(broker.call("PUT", path("definitions"), text=text, only=only))
    if yes or json:
        _show(done, json=json)
    for step in done:
        if "secret" in step and not json:
            exits.note(f"The secret of {step['name']}, shown this once: {step['secret']}")
    return None


def _steps(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"act": act, **step} for act in ("create", "change") for step in plan[act]]


def _show(steps: list[dict[str, Any]], *, json: bool) -> None:
    show_list(steps, COLUMNS, empty="All that it names is so already.", json=json)


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        exits.fail(f"{file} cannot be read: {error}")
