"""``?limit=``, ``?after=`` and ``?verdict=``, and parameters that are true or false."""

from __future__ import annotations

import re
from collections.abc import Mapping

from brokerweb.answers.verdicts import MOST as MOST_VERDICTS
from brokerweb.core.errors import Invalid
from brokerweb.faces.codec.query import DEFAULT_LIMIT, MAX_LIMIT

_NUMBER = re.compile(r"[1-9][0-9]{0,3}")


def limit(query: Mapping[str, str]) -> int:
    """How many items a page has. Raises Invalid."""
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not _NUMBER.fullmatch(text) or int(text) > MAX_LIMIT:
        raise Invalid.at("/limit", f"an integer from 1 to {MAX_LIMIT}")
    return int(text)


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
