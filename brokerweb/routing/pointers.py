"""Errors of a part, told of the whole: pointers into what the part was given become pointers into the request."""

from __future__ import annotations

import re
from collections.abc import Sequence

from brokerweb.core.errors import BrokerError

_ITEM = re.compile(r"/(?:messages|records)/(\d+)")


def for_copies(error: BrokerError, to: str, places: Sequence[int]) -> BrokerError:
    """An error of a destination that got the messages at ``places`` of the request; it says which destination."""
    error.extra["to"] = to
    for fault in error.extra.get("errors", ()):
        fault["pointer"] = _ITEM.sub(lambda found: f"/messages/{places[int(found[1])]}", fault["pointer"], count=1)
    return error


def for_part(error: BrokerError, pointer: str) -> BrokerError:
    """An error of one part of a transaction: ``pointer`` names the part."""
    error.extra.setdefault("pointer", pointer)
    for fault in error.extra.get("errors", ()):
        fault["pointer"] = pointer + _ITEM.sub(r"/messages/\1", fault["pointer"], count=1)
    return error
