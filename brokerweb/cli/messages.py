"""``brokerweb publish``, ``consume``, ``tail``, ``peek``, ``redrive``."""

from __future__ import annotations

import json as codec
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Annotated, Any

import msgspec
import typer

from brokerweb.cli import bodies, destinations, exits, jobs, settings
from brokerweb.cli.client import Broker, path
from brokerweb.cli.output import Json, counted, print_json, print_line, show_list
from brokerweb.cli.settings import Yes, confirm

AT_ONCE = 500  # messages in one call
BYTES = 4 * 1024 * 1024  # of bodies in one call
WAIT = 20  # seconds of a long poll
HELD = 60  # seconds of a lease on what is given back in the end, extended until then
MANY = 1000  # receipts in one call
TO = "queue:NAME, stream:NAME or topic:NAME; a name alone is a queue."
Queue = Annotated[str, typer.Argument(help="The queue's name.")]


def publish(
    to: Annotated[str, typer.Argument(help=TO)],
    body: Annotated[str | None, typer.Argument(help="JSON, or any text; standard input without it, or for -.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Each line of standard input is a message.")] = False,
    text: Annotated[bool, typer.Option("--text", help="The body is a text, also where it looks like JSON.")] = False,
    key: Annotated[str | None, typer.Option(help="Messages with one key stay in order.")] = None,
    header: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A header. Repeat it.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="priority=9, delay=30, ttl=60, dedup_id=…")
    ] = None,
    routing_key: Annotated[str | None, typer.Option(help="For a topic.")] = None,
    json: Json = False,
) -> None:
    """Publish a message, or one a line of input.

    Prints the id of each, once it is stored.
    """
    where = destinations.parse(to)
    fields = _fields(where, key, header, set_, routing_key)
    if lines and body not in (None, "-"):
        raise typer.BadParameter("a body, or --lines, but not both")
    given = _lines() if lines else iter([(0, _body(body, text=text))])
    broker, sent = Broker(), 0
    for batch in _batches(_encoded(fields, one, n, text=text) for n, one in given):
        kind, field = ("records", "records") if where.kind == "stream" else ("messages", "messages")
        given_text = f'{{"{field}": [{", ".join(batch)}]}}'
        results = broker.part("results", "POST", path(f"{where.kind}s", where.name, kind), text=given_text)
        sent += len(results)
        for result in results:
            print_line(result) if json else typer.echo(_said(result))
    if lines and not json:
        exits.note(f"{sent} stored.")


def _fields(
    where: destinations.Destination, key: str | None, header: list[str] | None, given: list[str] | None, routing_key: str | None
) -> dict[str, Any]:
    fields = settings.parse(given)
    if key is not None:
        fields["key"] = key
    if header:
        fields["headers"] = dict(_header(item) for item in header)
    if routing_key is not None and where.kind != "topic":
        raise typer.BadParameter("--routing-key is for a topic: topic:NAME")
    if routing_key is not None:
        fields["routing_key"] = routing_key
    elif where.kind == "topic":
        raise typer.BadParameter("a topic needs --routing-key")
    return fields


def _header(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not (equals and name):
        raise typer.BadParameter(f"{item!r} is not NAME=VALUE")
    return name, value


def _body(given: str | None, *, text: bool) -> bytes:
    body = bodies.of_stdin() if given in (None, "-") else str(given).encode()
    if not (body or text):
        raise typer.BadParameter("the body is empty; --text publishes an empty text")
    return body


def _lines() -> Iterator[tuple[int, bytes]]:
    return ((n, line.rstrip(b"\r\n")) for n, line in enumerate(sys.stdin.buffer, 1) if line.strip())


def _encoded(fields: dict[str, Any], body: bytes, line: int, *, text: bool) -> str:
    """The message of a body, or of a line where that is numbered. Raises BadParameter where it looks like JSON and is none."""
    try:
        return bodies.encoded(fields, body, text=text)
    except bodies.NoJsonError as error:
        which = (
            f"line {line} of the input is no JSON ({error}); what was printed is stored"
            if line
            else f"the body is no JSON ({error})"
        )
        raise typer.BadParameter(f"{which}; --text stores it as it is") from None


def _batches(messages: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for message in messages:
        batch.append(message)
        size += len(message)
        if len(batch) >= AT_ONCE or size >= BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _said(result: dict[str, Any]) -> str:
    if "routed" in result:
        return "\t".join(f"{copy['to']} {copy.get('id') or copy.get('offset')}" for copy in result["routed"]) or "unrouted"
    place = result["id"] if "id" in result else f"{result['partition']}:{result['offset']}"
    return f"{place}\tduplicate" if result.get("duplicate") else str(place)


def consume(
    queue: Queue,
    count: Annotated[int | None, typer.Option("-n", "--count", metavar="N", min=1, help="End after so many.")] = None,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is ready.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Give all back in the end, and acknowledge none.")] = False,
    json: Json = False,
) -> None:
    """Take messages, and print and acknowledge them.

    The body of each is printed in a line, and it is acknowledged then.
    """
    if keep and count is None and not once:
        raise typer.BadParameter("--keep needs -n or --once, or it would never give anything back; peek looks and takes nothing")
    broker, left, kept = Broker(), count, list[str]()
    try:
        while left is None or left > 0:
            limits = {"max": min(left or 100, 100), "wait": 0 if once else WAIT} | ({"lease": HELD} if keep else {})
            _settle(broker, queue, extend=[{"receipt": receipt, "lease": HELD} for receipt in kept])
            got = broker.messages("messages", "POST", path("queues", queue, "receive"), limits)
            if not got and once:
                return
            _hand(broker, queue, got, kept if keep else None, json=json)
            left = None if left is None else left - len(got)
    finally:
        _settle(broker, queue, release=kept)


def _hand(broker: Broker, queue: str, got: list[bodies.Message], kept: list[str] | None, *, json: bool) -> None:
    """Print what was taken; what could not be printed goes back unharmed, and with ``kept`` all of it, in the end."""
    receipts = [codec.loads(bytes(message["receipt"])) for message in got]
    if kept is not None:
        kept += receipts
    printed = 0
    try:
        for message in got:
            bodies.print_message(message) if json else bodies.print_body(message)
            printed += 1
    finally:
        if kept is None:
            _settle(broker, queue, ack=receipts[:printed], release=receipts[printed:])


def _settle(broker: Broker, queue: str, **settled: list[Any]) -> None:
    for kind, items in settled.items():
        for first in range(0, len(items), MANY):
            broker.call("POST", path("queues", queue, "settle"), {kind: items[first : first + MANY]})


def tail(
    stream: Annotated[str, typer.Argument(help="The stream's name, with or without stream:.")],
    since: Annotated[str, typer.Option("--from", help="earliest, latest, an instant, or a position such as 0-18.")] = "latest",
    count: Annotated[int | None, typer.Option("-n", "--count", metavar="N", min=1, help="End after so many.")] = None,
    json: Json = False,
) -> None:
    """Follow a stream: print each record as it comes.

    It takes nothing away, and moves no group.
    """
    where = destinations.parse(stream if ":" in stream else f"stream:{stream}", "stream")
    events = Broker().events(path("streams", where.name, "live"), **{"from": since})
    for record in islice(_records(events), count):
        bodies.print_message(record) if json else bodies.print_body(record)


def _field(name: str, message: bodies.Message) -> Any:
    return msgspec.json.decode(message[name])


def _records(events: Iterator[tuple[str, str]]) -> Iterator[bodies.Message]:
    """The records among the events; ends the command where the broker says why it sends no more."""
    for name, data in events:
        if name == "record":
            yield msgspec.json.decode(data, type=bodies.Message)
        elif name == "closed":
            exits.fail(f"the broker ended it: {data}")


COLUMNS: dict[str, Callable[[bodies.Message], Any]] = {
    **{name.upper(): partial(_field, name) for name in ("id", "state", "priority", "key", "attempts")},
    "PUBLISHED": partial(_field, "published_at"),
    "BODY": lambda message: _short(message),
}


def peek(
    queue: Queue,
    count: Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, max=1000, help="How many at most.")] = 10,
    state: Annotated[str | None, typer.Option(help="ready, scheduled, blocked, leased or dead.")] = None,
    key: Annotated[str | None, typer.Option(help="Only messages with this key.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    json: Json = False,
) -> None:
    """Look at messages; nothing about them changes."""
    order = "desc" if newest else None
    place = path("queues", queue, "messages")
    found = Broker().messages("items", "GET", place, limit=count, state=state, key=key, order=order)
    if json:
        return bodies.print_messages(found)
    return show_list(found, COLUMNS, empty="There is nothing.", json=False)


def _short(message: bodies.Message, most: int = 80) -> str:
    text = bodies.raw(message).decode(errors="replace")
    return text if len(text) <= most else text[: most - 1] + "…"


def redrive(
    queue: Queue,
    to: Annotated[str | None, typer.Option(help="Another queue, instead of their own.")] = None,
    ids: Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="Only this message. Repeat it.")] = None,
    key: Annotated[str | None, typer.Option(help="Only messages with this key.")] = None,
    fingerprint: Annotated[str | None, typer.Option(help="Only those that died of this cause.")] = None,
    rate: Annotated[float | None, typer.Option(metavar="N", help="So many a second.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would touch, and touch nothing.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Put dead messages back, at the end of their queue."""
    broker, where = Broker(), path("queues", queue, "redrive")
    chosen = {"ids": ids, "key": key, "fingerprint": fingerprint}
    body: dict[str, Any] = {"filter": {name: value for name, value in chosen.items() if value}}
    plan = broker.call("POST", where, body | {"dry_run": True})
    dead = counted(plan["matched"], "dead message")
    if dry_run or not plan["matched"]:
        print_json(plan) if json else typer.echo(f"{dead} {'matches' if plan['matched'] == 1 else 'match'}.")
        return
    confirm(f"Put {dead} of {queue} back{f' into {to}' if to else ''}?", yes=yes)
    body |= {name: value for name, value in {"to": to, "rate": rate}.items() if value is not None}
    answer = broker.call("POST", where, body)
    if "job" in answer:
        answer = {"job": jobs.wait(broker, answer["job"], quiet=json)}
    print_json(answer) if json else typer.echo(
        f"{answer['affected'] if 'affected' in answer else answer['job']['done']} put back."
    )


COMMANDS: tuple[Callable[..., Any], ...] = (publish, consume, tail, peek, redrive)
