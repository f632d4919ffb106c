"""Messages of answers, as pages show a few of them: what REST says of each, in a row."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from brokerweb.console.templatetags.brokerweb_console import excerpt


class Sample(NamedTuple):
    """One of them: what it is called, where it is, and how its body begins."""

    title: str
    destination: str
    state: str
    excerpt: str


def sample(found: Mapping[str, Any]) -> Sample:
    """A row of a message's object."""
    group = found.get("group")
    place = f"{found['destination']}, {group}" if group else found["destination"]
    title = f"{found['partition']}-{found['offset']}" if "offset" in found else str(found["id"])
    return Sample(title, place, found["state"], beginning(found))


def beginning(found: Mapping[str, Any]) -> str:
    """The beginning of its body on one line."""
    body = bytes(found["body"]) if "body" in found else base64.b64decode(found.get("body_base64") or "")
    return opening(body, damaged=bool(found.get("damaged")))


def opening(body: bytes, *, damaged: bool) -> str:
    """How a body begins, on one line."""
    return excerpt(SimpleNamespace(beginning=body[:160], size=len(body), damaged=damaged))
