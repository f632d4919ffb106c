"""Bodies of messages between terminals and REST: JSON as the very text it came as, other text as bytes with a type."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import msgspec
from rich.text import Text

from brokerweb.cli import exits
from brokerweb.cli.output import console


class NoJsonError(ValueError):
    """A body looks like JSON and is none: why, and where."""


Message = dict[str, msgspec.Raw]
TEXT = "text/plain; charset=utf-8"


def encoded(fields: dict[str, Any], body: bytes, *, text: bool) -> str:
    """One message as JSON. A body that is no JSON, or is not to be looked at as such, goes as base64 with the type of a text.

    Raises NoJsonError for one that begins as JSON does, which is a slip more often than a text, unless its type is given.
    """
    if not text:
        try:
            decoded = body.decode()
            json.loads(decoded)
        except json.JSONDecodeError as error:
            if body.lstrip()[:1] in (b"{", b"[") and "content_type" not in fields:
                raise NoJsonError(f"{error.msg}, line {error.lineno}, column {error.colno}") from None
        except (ValueError, RecursionError):
            pass
        else:
            return _object(json.dumps(fields), decoded)
    shown = fields | {"body_base64": base64.b64encode(body).decode()}
    if "content_type" not in shown:
        shown["content_type"] = TEXT if _is_text(body) else "application/octet-stream"
    return json.dumps(shown)


def _object(fields: str, body: str) -> str:
    comma = ", " if fields != "{}" else ""
    return f'{fields[:-1]}{comma}"body": {body}}}'


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def messages(content: bytes, field: str) -> list[Message]:
    """The messages or records in an answer, each field as the very text it came as."""
    found: list[Message] = msgspec.json.decode(msgspec.json.decode(content, type=Message)[field], type=list[Message])
    return found


def raw(message: Message) -> bytes:
    """What a message holds, as bytes."""
    if "body_base64" in message:
        return base64.b64decode(msgspec.json.decode(message["body_base64"]))
    return bytes(message["body"])


def print_message(message: Message) -> None:
    """All of it as JSON in a line of its own, at once."""
    _write(msgspec.json.encode(message))


def print_messages(found: list[Message]) -> None:
    """Several as one JSON text."""
    _write(msgspec.json.format(msgspec.json.encode(found)))


def print_body(message: Message) -> None:
    """The body in a line of its own, at once. Ends the command where nobody reads any more."""
    body = raw(message)
    if sys.stdout.isatty():
        console().print(Text(body.decode(errors="replace")), soft_wrap=True)
        return
    _write(body)


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def of_stdin() -> bytes:
    """All of standard input; a person at a terminal is told that it is waited for."""
    if sys.stdin.isatty():
        exits.note("Reading the body from the terminal; Ctrl-D ends it.")
    return sys.stdin.buffer.read()
