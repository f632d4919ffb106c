"""Which messages of a queue: one filter for browsing, for purge and for redrive.

It is parsed from a query string and from a JSON body alike, so that what a list shows is what an action takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.core.settings import Errors, refuse
from brokerweb.queues import limits
from brokerweb.queues.states import STATE_NAMES, State

MAX_IDS = 1_000
MAX_CAUSES = 50
MAX_ID = 2**63 - 1
FINGERPRINT = re.compile("[0-9a-f]{16}")
SETTLED = "settled"  # no state: what is kept of messages that have ended


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """A selection within one queue. Without ``states`` it is every state where it browses, and the verb's own where it acts."""

    states: frozenset[State] = frozenset()
    key: str | None = None
    ids: tuple[int, ...] | None = None
    descending: bool = False
    fingerprints: tuple[str, ...] = ()  # of dead ones, which have one of them

    def parts(self) -> tuple[object, ...]:
        """All there is of it, in one order, for the digest of a cursor."""
        return sorted(self.states), self.key, self.ids, self.descending, self.fingerprints


ALL = MessageFilter()
PURGED_BY_DEFAULT = frozenset({State.SCHEDULED, State.READY, State.BLOCKED})


def ascending(chosen: MessageFilter) -> MessageFilter:
    """The same selection, oldest first: actions go upwards, whatever order the list was in."""
    return replace(chosen, descending=False)


def descending(chosen: MessageFilter) -> MessageFilter:
    """The same selection, newest first."""
    return replace(chosen, descending=True)


def for_purge(chosen: MessageFilter) -> MessageFilter:
    """What purge takes: leased and dead messages only when their states are named, dead ones by their fingerprint, too."""
    if chosen.states:
        return chosen
    return replace(chosen, states=frozenset({State.DEAD}) if chosen.fingerprints else PURGED_BY_DEFAULT)


def for_redrive(chosen: MessageFilter) -> MessageFilter:
    """What redrive takes: dead messages. Raises Invalid when other states are named."""
    if chosen.states - {State.DEAD}:
        raise Invalid.at("/filter/states", "redrive takes dead messages only")
    return replace(chosen, states=frozenset({State.DEAD}))


def parse(given: Mapping[str, Any], pointer: str = "") -> MessageFilter:
    """The filter that query parameters or a JSON object name. Raises Invalid with every error of them.

    ``state`` and ``states`` are one thing: a name, several with commas between, or a list; ``fingerprint`` is one or several
    likewise. ``ids`` are strings or integers.
    """
    errors: Errors = []
    found: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        try:
            _take(name, value, found)
        except ValueError as error:
            errors.append({"pointer": f"{pointer}/{escape_pointer(name)}", "detail": str(error)})
    refuse(errors)
    return MessageFilter(**found)


def _take(name: str, value: Any, found: dict[str, Any]) -> None:
    if name in ("state", "states"):
        found["states"] = found.get("states", frozenset()) | _states(value)
    elif name == "key":
        found["key"] = _key(value)
    elif name == "fingerprint":
        found["fingerprints"] = _fingerprints(value)
    elif name == "ids":
        found["ids"] = _ids(value)
    elif name == "order":
        found["descending"] = _descending(value)
    else:
        raise ValueError("is not part of a filter")


def _items(value: Any) -> Sequence[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    if isinstance(value, list | tuple):
        return value
    raise ValueError("must be a list or a text with commas")


def _states(value: Any) -> frozenset[State]:
    names = _items(value)
    if SETTLED in names:
        raise ValueError(f"{SETTLED} stands alone, and is for browsing: what has ended cannot be acted upon")
    if not names or not all(isinstance(name, str) and name in STATE_NAMES for name in names):
        raise ValueError(f"must be of {', '.join(STATE_NAMES)}")
    return frozenset(STATE_NAMES[name] for name in names)


def _key(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be a text of at most {limits.MAX_TEXT_BYTES} bytes")
    try:
        limits.check_text(value, "")
    except Invalid as error:  # no message can have it
        raise ValueError(error.detail) from None
    return value


def _fingerprints(value: Any) -> tuple[str, ...]:
    given = _items(value)
    if not given or not all(isinstance(each, str) and FINGERPRINT.fullmatch(each) for each in given):
        raise ValueError("must be 16 hexadecimals, or several of that")
    if len(given) > MAX_CAUSES:
        raise ValueError(f"must be at most {MAX_CAUSES} fingerprints")
    return tuple(sorted(set(given)))


def _ids(value: Any) -> tuple[int, ...]:
    items = _items(value)
    if len(items) > MAX_IDS:
        raise ValueError(f"must be at most {MAX_IDS} ids")
    return tuple(sorted({parse_id(item) for item in items}))


def parse_id(value: Any) -> int:
    """A message's id from a text of digits or an integer. Raises ValueError."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_ID:
        raise ValueError("must be ids: texts of digits, or integers")
    return value


def _descending(value: Any) -> bool:
    if value not in ("asc", "desc"):
        raise ValueError('must be "asc" or "desc"')
    return bool(value == "desc")
