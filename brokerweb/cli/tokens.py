"""``brokerweb token``."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from brokerweb import conf
from brokerweb.cli import exits, local
from brokerweb.cli.client import Broker, path
from brokerweb.cli.output import Json, print_json, show_list
from brokerweb.cli.settings import Yes, confirm
from brokerweb.core.errors import BrokerError

app = typer.Typer(help="Tokens for programs: create, list, revoke.", no_args_is_help=True, rich_markup_mode=None)
_LENGTH = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
GRANT = "What it may: PATTERN=VERB,…, such as 'queue:orders.*=publish,consume'. Repeat it."


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for, as lists show it.")],
    grant: Annotated[list[str] | None, typer.Option(metavar="PATTERN=VERB,…", help=GRANT)] = None,
    admin: Annotated[bool, typer.Option("--admin", help="It may everything.")] = False,
    expires: Annotated[str | None, typer.Option(help="After how long it ends: 12h, 30d; never otherwise.")] = None,
    json: Json = False,
) -> None:
    """Make a token, which is printed this once.

    Verbs: publish, consume, browse, unmask, manage, monitor, admin. Where no broker is named, the token is made in the store
    of the data directory, whether one runs there or not.
    """
    grants = [_grant(text) for text in grant or ()]
    if admin:
        grants.append({"pattern": "*", "verbs": ["admin"]})
    if not grants:
        raise typer.BadParameter("say what it may, with --grant or --admin")
    body = {"name": name, "grants": grants, "expires_at": _instant(expires) if expires else None}
    made = _made(Broker(), body)
    print_json(made) if json else typer.echo(made["token"])


def _made(broker: Broker, body: dict[str, Any]) -> Any:
    if not broker.is_local:
        return broker.call("POST", path("tokens"), body)
    try:  # over REST it would end with the directory's own token, which lasts for a month
        return local.make_token(body)
    except (BrokerError, conf.BadOption) as error:
        exits.fail(str(error))


COLUMNS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "ID": lambda token: token["id"],
    "NAME": lambda token: token["name"],
    "GRANTS": lambda token: "; ".join(f"{grant['pattern']}={','.join(grant['verbs'])}" for grant in token["grants"]),
    "MADE BY": lambda token: token["created_by"],
    "LAST USED": lambda token: token["last_used_at"],
    "EXPIRES": lambda token: token["expires_at"],
}


@app.command("list")
def list_(json: Json = False) -> None:
    """Tokens, what they may, and when they were used last."""
    found = list(Broker().items(path("tokens")))
    show_list(found, COLUMNS, empty="There are no tokens.", json=json)


@app.command()
def revoke(id: Annotated[str, typer.Argument(help="The token's id, as list shows it.")], yes: Yes = False) -> None:
    """Refuse a token from now on."""
    confirm(f"Revoke token {id}?", yes=yes)
    Broker().call("DELETE", path("tokens", id))


def _grant(text: str) -> dict[str, Any]:
    pattern, equals, verbs = text.rpartition("=")
    if not (equals and pattern and verbs):
        raise typer.BadParameter(f"{text!r} is not PATTERN=VERB,…")
    return {"pattern": pattern, "verbs": [verb.strip() for verb in verbs.split(",")]}


def _instant(length: str) -> str:
    found = _LENGTH.fullmatch(length)
    if found is None:
        raise typer.BadParameter(f"{length!r} is not a length such as 12h or 30d")
    return (datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})).isoformat()
