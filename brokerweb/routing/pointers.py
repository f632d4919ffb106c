"""Errors of a part, told of the whole: pointers into what the part was given become pointers into the request."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from brokerweb.core.errors import BrokerError, Invalid

_ITEM = re.compile(r"/(?:messages|records)/(\d+)")


def for_copies(error: BrokerError, to: str, places: Sequence[int]) -> BrokerError:
    """An error of a destination that got the messages at ``places`` of the request; it says which destination."""
    error.extra["to"] = to
    return _moved(error, lambda at: _ITEM.sub(lambda found: f"/messages/{places[int(found[1])]}", at, count=1))


def for_part(error: BrokerError, pointer: str) -> BrokerError:
    """An error of one part of a transaction: ``pointer`` names the part."""
    error.extra.setdefault("pointer", pointer)
    return _moved(for_messages(error), lambda at: pointer + at)


def for_messages(error: BrokerError) -> BrokerError:
    """An error of records that came as messages."""
    return _moved(error, lambda at: _ITEM.sub(r"/messages/\1", at, count=1))


def _moved(error: BrokerError, move: Callable[[str], str]) -> BrokerError:
    """The error with other pointers, also in the words it says."""
    for fault in error.extra.get("errors", ()):
        before = fault["pointer"]
        fault["pointer"] = move(before)
        if error.detail == _said(before, fault["detail"]):
            error.detail = _said(fault["pointer"], fault["detail"])
    return error


def _said(pointer: str, detail: str) -> str:
    return Invalid.at(pointer, detail).detail
