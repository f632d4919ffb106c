"""How much a stream has of each time, and where its groups are in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from django.urls import reverse

from brokerweb.console import instants
from brokerweb.console.filters import MessagesOf
from brokerweb.console.histograms import LETTERS, Flag, Histogram, round_edges
from brokerweb.console.ranges import LONG
from brokerweb.console.strips import Strip, small
from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.queues import browse
from brokerweb.queues import volume as published
from brokerweb.queues.models import Queue
from brokerweb.samples.reading import RANGES
from brokerweb.samples.series import TICK
from brokerweb.storage.reading import Reads, read
from brokerweb.streams import group_objects
from brokerweb.streams.definitions import PartitionRow, load
from brokerweb.streams.volume import instants_among, span, volume

K = TypeVar("K")
MOST_PLACES = 2_000  # positions whose time is looked up for one page


class Spans(NamedTuple):
    """What part of what is kept is shown: all of it, unless the URL names a range."""

    named: str
    rest: Mapping[str, str]

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Spans:
        named = query.get("range", "")
        rest = {name: value for name, value in query.items() if name != "range"}
        return cls(named if named in LONG else "", rest)

    @property
    def words(self) -> str:
        return f"The last {LONG[self.named]}" if self.named else "All that is kept"

    @property
    def kept(self) -> str:
        """The query of the page that shows all of it."""
        return urlencode(self.rest)

    def cut(self, first: int, last: int) -> tuple[int, int]:
        """What is shown of a time in which there is something."""
        if not self.named:
            return first, last
        until = clock.wall()
        return until - clock.seconds(RANGES[self.named] * TICK), until


class Standing(NamedTuple):
    """A group's position in a partition."""

    partition: PartitionRow
    committed: int

    @property
    def offset(self) -> int:
        return min(max(self.committed, self.partition.low), self.partition.end)

    @property
    def left(self) -> int:
        return self.partition.end - self.offset


def standings_of(partitions: Sequence[PartitionRow], group: Mapping[str, Any]) -> list[Standing]:
    """Where a group is in these partitions, as its object says."""
    committed = {part["partition"]: int(part["committed"]) for part in group["partitions"]}
    return [Standing(partition, committed[partition.number]) for partition in partitions if partition.number in committed]


def of_partition(stream: str, number: int, spans: Spans) -> Histogram | None:
    """The records of one partition; None where there are none. Raises NotFound, Invalid."""
    partitions = [read(load, stream).partition(number)]
    shown, _ = read(_drawn, partitions, spans)
    if shown is None:
        return None
    here = reverse("brokerweb_console:records", args=[stream])
    shown.urls = [_url(here, spans, {"partition": number, "from": "time", "time": instants.typed(at)}) for at in shown.edges[:-1]]
    _plant(shown, stream, partitions)
    return shown


def of_queue(queue: Queue, asked: MessagesOf, counts: Mapping[str, int], spans: Spans) -> Histogram | None:
    """The messages of a queue in the states that are looked at, by when they were published; None where there are none, or no
    index tells when: of those in flight, of a key, and of what has ended."""
    states = [state for state in published.STATES if asked.state in ("", state.name.lower())]
    if asked.key or asked.settled or not states:
        return None
    totals = {state: counts[state.name.lower()] for state in states}
    rows = read(published.rows, queue.pk, states, totals)
    found = read(published.span, rows)
    if found is None:
        return None
    edges = round_edges(*spans.cut(*found))
    seen = read(published.published, rows, edges)
    upwards = replace(asked, order="asc", after="", before="")
    cursors = [browse.beginning_with(queue, upwards.chosen, first) for first in seen.firsts[:-1]]
    here = reverse("brokerweb_console:messages", args=[queue.name])
    urls = [f"{here}?{upwards.page_after(cursor)}" for cursor in cursors]
    return Histogram("volume", "message", edges, seen.counts, exact=seen.exact, urls=urls)


def of_group(stream: str, group: Mapping[str, Any], spans: Spans, chosen: str = "") -> Histogram | None:
    """The records of a whole stream, and what a seek of the group to any time of it would mean; None where there are none.

    ``chosen`` is the end, or the instant as somebody typed it, where they want to go.
    """
    partitions = read(load, stream).partitions
    shown, offsets = read(_drawn, partitions, spans)
    if shown is None:
        return None
    standings = standings_of(partitions, group)
    shown.chosen = _instant(chosen, shown.edges)
    shown.means = [_meaning(standings, offsets, n) for n in range(len(shown.edges))]
    places: list[dict[str, Any]] = [{"where": "time", "time": instants.typed(at)} for at in shown.edges]
    places[-1] = {"where": "latest"}
    if not spans.named:
        places[0] = {"where": "earliest"}
    here = reverse("brokerweb_console:seek", args=[stream, group["name"]])
    shown.urls = [_url(here, spans, place) for place in places]
    _plant(shown, stream, partitions, group)
    return shown


def _instant(chosen: str, edges: Sequence[int]) -> int | None:
    if chosen in ("earliest", "latest"):
        return edges[0 if chosen == "earliest" else -1]
    try:
        return instants.parse(chosen, "") if chosen else None
    except Invalid:  # its field says so
        return None


def _url(here: str, spans: Spans, query: Mapping[str, Any]) -> str:
    return f"{here}?{urlencode({**query, **({'range': spans.named} if spans.named else {})})}"


def _drawn(
    reads: Reads, partitions: Sequence[PartitionRow], spans: Spans
) -> tuple[Histogram | None, Mapping[int, Sequence[int]]]:
    """The picture without flags, and by partition the offset at each of its edges."""
    found = span(reads, partitions)
    if found is None:
        return None, {}
    edges = round_edges(*spans.cut(*found))
    seen = volume(reads, partitions, edges)
    whole = all(partition.records == partition.end - partition.low for partition in partitions)
    return Histogram("volume", "record", edges, seen.counts, exact=seen.exact and whole), seen.offsets


def _meaning(standings: Sequence[Standing], offsets: Mapping[int, Sequence[int]], n: int) -> str:
    """What going to an edge would mean, in words."""
    ways = [offsets[standing.partition.number][n] - standing.offset for standing in standings]
    again, skipped = -sum(way for way in ways if way < 0), sum(way for way in ways if way > 0)
    parts = [f"{again:,} again"] * (again > 0) + [f"{skipped:,} skipped"] * (skipped > 0)
    return ", ".join(parts) or "stays"


def _plant(shown: Histogram, stream: str, partitions: Sequence[PartitionRow], first: Mapping[str, Any] | None = None) -> None:
    """Put the flags of some groups into the picture, that of ``first`` before the others."""
    listed = read(lambda reader: group_objects.list_groups(reader, stream, limit=len(LETTERS)))
    groups = [first] if first else []
    groups += [group for group in listed.items if not first or group["name"] != first["name"]]
    standings = {group["name"]: standings_of(partitions, group) for group in groups[: len(LETTERS)]}
    ages = unread(standings)
    for name, standing in standings.items():
        left, at = sum(each.left for each in standing), ages.get(name)
        if left and at is None:  # of very many partitions: nobody knows where it stands
            continue
        url = reverse("brokerweb_console:group", args=[stream, name])
        shown.flags.append(Flag(name, shown.edges[-1] if at is None else at, left, behind(at), url))
    shown.more = listed.next is not None or len(groups) > len(shown.flags)


def unread(standings: Mapping[K, Sequence[Standing]]) -> dict[K, int]:
    """When the oldest record that is left to read was appended, of each of these that have some left; of the first ones, where
    they have very many partitions."""
    waiting: list[tuple[K, Standing]] = []
    for name, several in standings.items():
        waiting += [(name, each) for each in several if each.left]
        if len(waiting) > MOST_PLACES:
            waiting = [(other, each) for other, each in waiting if other != name]
            break
    looks = read(instants_among, [(each.partition, each.offset) for _, each in waiting])
    found: dict[K, int] = {}
    for name, each in waiting:
        if look := looks.get((each.partition.number, each.offset)):
            found[name] = min(look.at, found.get(name, look.at))
    return found


def behind(at: int | None) -> float | None:
    """How long ago, in seconds, what was appended then."""
    return None if at is None else max(0.0, (clock.wall() - at) / clock.SECOND)


def positioned(stream: str, groups: Sequence[dict[str, Any]]) -> None:
    """Give groups, as answers show them, a strip of their positions, and how far behind they are in seconds."""
    partitions = read(load, stream).partitions
    ages = unread({group["name"]: standings_of(partitions, group) for group in groups})
    for group in groups:
        owners = {member["id"]: n for n, member in enumerate(group["members"])}
        group["strip"] = small([Strip.of(part, owners) for part in group["partitions"]])
        group["behind"] = behind(ages.get(group["name"])) if group["lag"] else 0.0
