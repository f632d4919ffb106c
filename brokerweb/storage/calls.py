"""Calls to the committer: a verb to run, what came of it, and which calls one run of a verb can serve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Any, NamedTuple

from brokerweb.core.errors import BrokerError
from brokerweb.storage.transaction import Transaction

CALL_COST = 256
MOST, MOST_COST = 1000, 2 * 1024 * 1024  # messages or receipts in one run, and what they may hold when another joins

Verb = Callable[..., Any]
FREE = object()  # the lane of calls that stand in no order to any other


class Place(NamedTuple):
    """How a call stands to others. Calls of one ``lane`` run in the order they came, whichever others they are run with.

    With a ``key`` its verb takes a list of ``groups`` as last argument, and answers one result or BrokerError for each: then
    it may be run once for the groups of all calls with the same verb and key. ``messages`` is how many they hold.
    """

    lane: object
    key: object = None
    groups: Sequence[Any] = ()
    messages: int = 1


class Call:
    """One verb to run, and what came of it: ``result`` or ``error``, told to ``done`` where the committer was told to deliver.

    Without a ``place`` it runs between what came before it and what came after.
    """

    __slots__ = ("args", "cost", "direct", "done", "error", "kwargs", "place", "result", "verb")

    def __init__(
        self, verb: Verb, args: tuple[Any, ...], kwargs: dict[str, Any], done: Callable[[Call], None], place: Place | None = None
    ) -> None:
        self.verb, self.args, self.kwargs, self.done, self.place = verb, args, kwargs, done, place
        self.cost = CALL_COST
        self.direct = False  # ``done`` may be called on the committer's thread
        self.result: Any = None
        self.error: BrokerError | None = None


Unit = list[Call]  # calls for one run of their verb


def units(calls: Iterable[Call]) -> list[Unit]:
    """Calls as they are to be run: each joins the first like it, where no other call of its lane is between."""
    found: list[Unit] = []
    held: list[tuple[int, int]] = []  # of each unit: messages and bytes
    open: dict[object, int] = {}  # where another with that key would join
    last: dict[object, int] = {}  # where a lane's latest call is
    between = -1  # the latest that nothing may pass
    for call in calls:
        place = call.place
        i = -1 if place is None or place.key is None else open.get(place.key, -1)
        if place is not None and i > between and last.get(place.lane, -1) <= i and _fits(held[i], place.messages, call.cost):
            found[i].append(call)
            held[i] = (held[i][0] + place.messages, held[i][1] + call.cost)
        else:
            i = len(found)
            found.append([call])
            held.append((1 if place is None else place.messages, call.cost))
            if place is None:
                between = i
            elif place.key is not None:
                open[place.key] = i
        if place is not None and place.lane is not FREE:
            last[place.lane] = i
    return found


def in_order(found: Sequence[Unit], about: Callable[[Call], object]) -> list[Unit]:
    """Units by what they are ``about``: transactions that run side by side then lock that in one order, and no two wait for each
    other. Calls of one lane keep theirs; what is about nothing in particular comes last.
    """
    before = [0] * len(found)  # units of the same lanes that are still to come
    behind: list[list[int]] = [[] for _ in found]
    last: dict[object, int] = {}
    for i, unit in enumerate(found):
        for lane in {call.place.lane for call in unit if call.place is not None and call.place.lane is not FREE}:
            if lane in last:
                behind[last[lane]].append(i)
                before[i] += 1
            last[lane] = i
    ranks = [_rank(about(unit[0])) for unit in found]
    open = [(ranks[i], i) for i in range(len(found)) if not before[i]]
    heapify(open)
    order = []
    while open:
        _, i = heappop(open)
        order.append(found[i])
        for following in behind[i]:
            before[following] -= 1
            if not before[following]:
                heappush(open, (ranks[following], following))
    return order


def _rank(about: object) -> tuple[int, Any]:
    """Something that sorts: numbers, then texts, then what has several parts, then nothing."""
    if about is None:
        return 3, 0
    return (0 if isinstance(about, int) else 1 if isinstance(about, str) else 2), about


def _fits(held: tuple[int, int], count: int, cost: int) -> bool:
    return held[0] + count <= MOST and held[1] + cost <= MOST_COST


def run(tx: Transaction, unit: Unit) -> None:
    """Run the verb, and note each call's result. Raises what the verb does."""
    first = unit[0]
    if first.place is None or first.place.key is None:
        first.result = first.verb(tx, *first.args, **first.kwargs)
        return
    shares = [(call, call.place.groups) for call in unit if call.place is not None]
    groups = [group for _, own in shares for group in own]
    results = iter(first.verb(tx, *first.args, groups, **first.kwargs))
    for call, own in shares:
        call.result = list(islice(results, len(own)))
