"""``queue:orders``, ``stream:events``, ``topic:sales``; a name alone is a queue."""

from __future__ import annotations

from typing import NamedTuple

import typer

KINDS = ("queue", "stream", "topic")


class Destination(NamedTuple):
    """Where a command works."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def parse(text: str, *kinds: str) -> Destination:
    """The destination of a text, of one of these kinds. Raises BadParameter."""
    kind, colon, name = text.partition(":")
    found = Destination(kind, name) if colon else Destination("queue", text)
    allowed = kinds or KINDS
    if found.kind not in allowed or not found.name:
        raise typer.BadParameter(f"{text!r} is not {' or '.join(f'{kind}:NAME' for kind in allowed)}")
    return found
