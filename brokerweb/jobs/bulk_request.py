"""What an act on many messages is asked to do, checked: which of them, what, where to, how fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple, get_args

from brokerweb.core import clock
from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.core.names import check_name
from brokerweb.jobs.control import MAX_RATE, MIN_RATE
from brokerweb.jobs.destinations import EVERYWHERE, Within, parse_label, within
from brokerweb.jobs.searched import Asked, finder
from brokerweb.queues import filters
from brokerweb.queues.filters import MAX_IDS, MessageFilter
from brokerweb.queues.limits import MAX_DELAY
from brokerweb.queues.states import State

Action = Literal["redrive", "move", "purge", "reschedule"]
ACTIONS: tuple[str, ...] = get_args(Action)
FIELDS = ("action", "select", "to", "due_at", "rate", "dry_run", "first")
MAX_FIRST = 100
MAX_QUERY = 4_000
TAKES: Mapping[str, frozenset[State]] = {  # what each acts upon at all
    "redrive": frozenset({State.DEAD}),
    "move": frozenset(State),
    "purge": frozenset(State),
    "reschedule": frozenset({State.SCHEDULED, State.READY}),
}
BY_DEFAULT: Mapping[str, frozenset[State]] = {  # where the selection names no state
    **TAKES,
    "move": filters.PURGED_BY_DEFAULT,
    "purge": filters.PURGED_BY_DEFAULT,
}
Ids = Mapping[str, tuple[int, ...]]  # by the label of their destination


class Select(NamedTuple):
    """Messages by their ids; or within destinations, those that a filter selects, or a query finds."""

    ids: Ids | None = None
    within: Within = EVERYWHERE
    chosen: MessageFilter = filters.ALL
    q: str | None = None


class BulkRequest(NamedTuple):
    """``to`` is a queue's name; ``first``: try with so many, and go on only if none of them dies."""

    action: Action
    select: Select
    to: str | None = None
    due_at: int | None = None
    rate: float | None = None
    dry_run: bool = False
    first: int | None = None

    @property
    def query(self) -> str:
        """The query, of what the action takes."""
        takes = TAKES[self.action]
        names = ",".join(state.name.lower() for state in sorted(takes))
        return f"{self.select.q or ''}{'' if takes == frozenset(State) else f' state:{names}'}"

    def filter_of(self, label: str) -> MessageFilter:
        """What it takes of a destination."""
        if self.select.ids is not None:
            return MessageFilter(ids=self.select.ids.get(label, ()))
        return self.select.chosen


def parse(given: Mapping[str, Any]) -> BulkRequest:
    """The request in a JSON object. Raises Invalid."""
    _only(given, FIELDS, "")
    action = given.get("action")
    if action not in ACTIONS:
        raise Invalid.at("/action", f"must be one of {', '.join(ACTIONS)}")
    return BulkRequest(
        action,
        _select(given.get("select"), action),
        _to(given.get("to"), action),
        _due_at(given.get("due_at"), action),
        _rate(given.get("rate")),
        _dry_run(given.get("dry_run")),
        _first(given.get("first"), action),
    )


def _only(given: Mapping[str, Any], known: tuple[str, ...], pointer: str) -> None:
    for name in given:
        if name not in known:
            raise Invalid.at(f"{pointer}/{escape_pointer(name)}", "is not part of it")


def _select(given: Any, action: str) -> Select:
    if not isinstance(given, Mapping):
        raise Invalid.at("/select", "must be an object")
    _only(given, ("ids", "in", "filter", "q"), "/select")
    if given.get("ids") is not None:
        if any(given.get(name) is not None for name in ("in", "filter", "q")):
            raise Invalid.at("/select/ids", "stands alone")
        return Select(_ids(given["ids"]))
    patterns, asked, q = given.get("in"), given.get("filter"), _query(given.get("q"))
    if not patterns and not asked and not q:
        raise Invalid.at("/select", "needs ids, in, filter or q: nothing is done to everything there is")
    if q and asked:
        raise Invalid.at("/select/filter", "is not for what a query finds: say it there")
    if not isinstance(patterns, list | tuple | None):
        raise Invalid.at("/select/in", "must be a list of patterns")
    return Select(None, within(patterns or (), "/select/in"), filters.ALL if q else _filter(asked, action), q)


def _query(given: Any) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or len(given) > MAX_QUERY or "\0" in given:
        raise Invalid.at("/select/q", f"must be a text of at most {MAX_QUERY} characters")
    if not given.strip():
        return None
    finder().check(Asked(given, clock.wall()))
    return given


def _ids(given: Any) -> Ids:
    if not isinstance(given, Mapping) or not given:
        raise Invalid.at("/select/ids", "must be ids by queue")
    found: dict[str, tuple[int, ...]] = {}
    for name, value in given.items():
        pointer = f"/select/ids/{escape_pointer(str(name))}"
        label = parse_label(name, pointer)
        if label in found:
            raise Invalid.at(pointer, "is named twice")
        if not isinstance(value, list | tuple):
            raise Invalid.at(pointer, "must be a list of ids")
        found[label] = filters.parse({"ids": list(value)}, f"/select/ids/{escape_pointer(str(name))}").ids or ()
    if not 0 < sum(map(len, found.values())) <= MAX_IDS:
        raise Invalid.at("/select/ids", f"must be 1 to {MAX_IDS} ids in all")
    return found


def _filter(given: Any, action: str) -> MessageFilter:
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise Invalid.at("/select/filter", "must be an object")
    _only(given, ("state", "states", "key", "fingerprint"), "/select/filter")
    chosen = filters.parse(given, "/select/filter")
    if chosen.states - TAKES[action]:
        takes = " and ".join(state.name.lower() for state in sorted(TAKES[action]))
        raise Invalid.at("/select/filter/states", f"{action} takes {takes} messages only")
    if chosen.states:
        return chosen
    of_causes = chosen.fingerprints and State.DEAD in TAKES[action]
    return replace(chosen, states=frozenset({State.DEAD}) if of_causes else BY_DEFAULT[action])


def _to(given: Any, action: str) -> str | None:
    if given is None:
        if action == "move":
            raise Invalid.at("/to", "is needed: the queue to move to")
        return None
    if action not in ("redrive", "move"):
        raise Invalid.at("/to", "is for redrive and move")
    return check_name(given.removeprefix("queue:") if isinstance(given, str) else given, "/to")


def _due_at(given: Any, action: str) -> int | None:
    if given is None:
        if action == "reschedule":
            raise Invalid.at("/due_at", "is needed: when they are due")
        return None
    if action != "reschedule":
        raise Invalid.at("/due_at", "is for reschedule")
    try:
        instant = clock.parse_rfc3339(given)
    except (TypeError, ValueError, OverflowError):
        raise Invalid.at("/due_at", "must be an RFC 3339 instant with a zone") from None
    if instant > clock.wall() + clock.seconds(MAX_DELAY):
        raise Invalid.at("/due_at", "is more than 366 days ahead")
    return max(0, instant)


def _rate(given: Any) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not MIN_RATE <= given <= MAX_RATE:
        raise Invalid.at("/rate", f"must be a number from {MIN_RATE} to {MAX_RATE}, or null")
    return float(given)


def _dry_run(given: Any) -> bool:
    if given is not None and not isinstance(given, bool):
        raise Invalid.at("/dry_run", "must be true or false")
    return bool(given)


def _first(given: Any, action: str) -> int | None:
    if given is None:
        return None
    if action not in ("redrive", "move"):
        raise Invalid.at("/first", "is for redrive and move")
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MAX_FIRST:
        raise Invalid.at("/first", f"must be an integer from 1 to {MAX_FIRST}")
    return given
