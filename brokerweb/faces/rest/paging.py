"""``?limit=``, ``?since=`` and ``?verdict=``, and parameters that are true or false."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from brokerweb.answers.verdicts import MOST as MOST_VERDICTS
from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.faces.codec.query import DEFAULT_LIMIT, MAX_LIMIT

_NUMBER = re.compile(r"[1-9][0-9]{0,3}")


def whole(items: Iterable[Any]) -> dict[str, Any]:
    """A list that has no more than one page, in the form of those that have."""
    return {"items": list(items), "next": None}


def limit(query: Mapping[str, str]) -> int:
    """How many items a page has. Raises Invalid."""
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not _NUMBER.fullmatch(text) or int(text) > MAX_LIMIT:
        raise Invalid.at("/limit", f"an integer from 1 to {MAX_LIMIT}")
    return int(text)


def since(query: Mapping[str, str]) -> int | None:
    """The instant that ``since`` names; None without it. Raises Invalid."""
    if "since" not in query:
        return None
    try:
        return clock.parse_rfc3339(query["since"])
    except (ValueError, OverflowError):
        raise Invalid.at("/since", "an RFC 3339 instant with a time zone") from None


def verdicts(query: Mapping[str, str]) -> bool:
    """Whether the items of a list are to have their verdicts, each of which takes reading. Raises Invalid."""
    asked = boolean(query, "verdict")
    if asked and limit(query) > MOST_VERDICTS:
        raise Invalid.at("/limit", f"at most {MOST_VERDICTS} items have a verdict")
    return asked


def boolean(query: Mapping[str, str], name: str) -> bool:
    """A parameter that is ``true`` or ``false``, or left out. Raises Invalid."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise Invalid.at(f"/{name}", "true or false")
    return text == "true"
