"""Where messages go: publishers, topics, queues and streams, groups and consumers, and what leads from one to another.

Nothing is guessed: a publisher was seen publishing there, a topic is bound, a group is a stream's, a consumer is there now. Of
what the asker may browse, and no more of each kind than ``limit``: some that stand, then those with the most traffic, then those
that hold most.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from brokerweb.answers.verdicts import as_group, groups, of_group, of_queue, reading
from brokerweb.answers.verdicts.groups import GroupRow
from brokerweb.answers.verdicts.reading import QueueRow
from brokerweb.answers.verdicts.standing import GroupStanding, QueueStanding
from brokerweb.cluster import sources
from brokerweb.cluster.sources import Seen
from brokerweb.core import clock, events
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.core.names import NAME
from brokerweb.delivery import connections
from brokerweb.identity import users
from brokerweb.identity.grants import BROWSE
from brokerweb.identity.models import Token
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse
from brokerweb.queues import stats as queue_stats
from brokerweb.queues.models import Queue
from brokerweb.routing import stats as topic_stats
from brokerweb.routing import topics as routing
from brokerweb.routing.models import Binding, Topic
from brokerweb.storage.reading import Reads, read
from brokerweb.streams import control
from brokerweb.streams import stats as stream_stats
from brokerweb.streams.models import Stream

PUBLISHER, TOPIC, QUEUE, STREAM, GROUP, CONSUMER = KINDS = ("publisher", "topic", "queue", "stream", "group", "consumer")
LIMIT, MOST = 100, 1_000  # of each kind
SHORT = 10.0  # seconds: what waits for less may just have come
PAIRS = 5_000  # of a publisher and a destination that are looked at
FEW = 50  # destinations that are asked about one by one
BOUND = 5_000  # bindings that are
PROJECT = "this project"  # what code of the project is called that gives no name of its own
PATTERNS = 3  # of one way that are told


class Edge(NamedTuple):
    """From one to another. ``rate`` is messages a second, None where it is not known of each by itself."""

    source: str
    target: str
    rate: float | None = None
    patterns: tuple[str, ...] = ()  # of bindings


@dataclass(slots=True)
class Node:
    """One of them. ``flow`` is messages a second through it; ``stands``: it holds some, and nobody takes any."""

    kind: str
    name: str
    flow: float = 0.0
    holds: int = 0
    stands: bool = False
    loose: bool = False  # it leads nowhere, or nobody takes from it
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(slots=True)
class Topology:
    """The nodes by their ids, kind by kind, what leads where, and of each kind how many more there are."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)
    around: str | None = None

    def of(self, kind: str) -> list[Node]:
        return [node for node in self.nodes.values() if node.kind == kind]

    def as_json(self) -> dict[str, Any]:
        """As answers show it."""
        shown = {
            f"{kind}s": [{"id": node.id, "name": node.name, **node.facts} for node in self.nodes.values() if node.kind == kind]
            for kind in KINDS
        }
        edges = [
            {"from": edge.source, "to": edge.target, "rate": edge.rate, "patterns": list(edge.patterns)} for edge in self.edges
        ]
        return {**shown, "edges": edges, "more": {f"{kind}s": self.more.get(kind, 0) for kind in KINDS}, "around": self.around}


def more_of(kind: str) -> str:
    """What stands in edges for those of a kind that are not shown."""
    return f"more:{kind}s"


def topology(principal: Principal, around: str | None = None, limit: int = LIMIT) -> Topology:
    """All of it, or what leads to one thing and from it. Raises Invalid, Forbidden, and NotFound for what is not there."""
    if around is None:
        return read(_everything, principal, limit)
    kind, name = parse_around(around)
    if kind in (TOPIC, QUEUE, STREAM, GROUP):
        principal.require(BROWSE, STREAM if kind == GROUP else kind, name.partition("/")[0])
        found = read(_around, principal, kind, name)
    else:
        found = read(_everything, principal, MOST)
    found = related(found, around)
    if around not in found.nodes:
        raise NotFound(f"There is no {kind} {name} now.")
    return found


def parse_around(text: str) -> tuple[str, str]:
    """Kind and name of what is to be in the middle. Raises Invalid."""
    kind, colon, name = text.partition(":")
    if not (colon and kind in KINDS and name and "\0" not in name):
        raise Invalid.at("/around", "one of " + ", ".join(f"{each}:NAME" for each in KINDS) + "; a group is group:STREAM/NAME")
    parts = {GROUP: name.split("/"), PUBLISHER: [], CONSUMER: []}.get(kind, [name])
    if len(parts) != (2 if kind == GROUP else len(parts)) or not all(NAME.fullmatch(part) for part in parts):
        raise Invalid.at("/around", f"{name[:200]} is no name of a {kind}")
    return kind, name


def related(whole: Topology, middle: str) -> Topology:
    """What leads to one of them, and where it leads from there."""
    forth, back = defaultdict(set), defaultdict(set)
    for edge in whole.edges:
        forth[edge.source].add(edge.target)
        back[edge.target].add(edge.source)
    kept = _reached(forth, middle) | _reached(back, middle)
    nodes = {id: node for id, node in whole.nodes.items() if id in kept}
    edges = [edge for edge in whole.edges if edge.source in kept and edge.target in kept]
    return Topology(nodes, edges, {kind: n for kind, n in whole.more.items() if more_of(kind) in kept}, middle)


def _reached(ways: Mapping[str, Collection[str]], start: str) -> set[str]:
    found, left = {start}, [start]
    while left:
        new = [each for each in ways.get(left.pop(), ()) if each not in found]
        found.update(new)
        left += new
    return found


# Reading


def _everything(reads: Reads, principal: Principal, limit: int) -> Topology:
    look = _Look(reads, principal, limit)
    rows, counts = reading.every_queue(reads)
    rates = queue_stats.by_id()
    mine = [row for row in rows if row.stream is None and principal.may(BROWSE, QUEUE, row.name)]
    look.names[QUEUE] = {row.name for row in mine}
    look.queues(look.first(QUEUE, _ranked(mine, rates, counts, limit // 2)), counts)
    streams = [(pk, name) for pk, name in Stream.objects.filter(deleted_at=None).order_by("name").values_list("pk", "name")]
    streams = [row for row in streams if principal.may(BROWSE, STREAM, row[1])]
    look.names[STREAM] = {name for _, name in streams}
    appended = stream_stats.by_id()
    streams.sort(key=lambda row: (-sum(appended.get(row[0], {}).values()), row[1]))
    look.streams(look.first(STREAM, streams))
    look.groups(counts)
    topics = [row for row in Topic.objects.order_by("name").values_list("pk", "name") if principal.may(BROWSE, TOPIC, row[1])]
    topics.sort(key=lambda row: (-topic_stats.rates(row[0])["published"], row[1]) if len(topics) > limit else (0.0, row[1]))
    look.topics(look.first(TOPIC, topics))
    look.publishers(sources.seen(reads, PAIRS))
    return look.done()


Rates = Mapping[int, Mapping[str, float]]
Counts = Mapping[int, Mapping[str, int]]


def _ranked(rows: Sequence[QueueRow], rates: Rates, counts: Counts, still: int) -> list[QueueRow]:
    """What one wants to see first: some of those that hold something of which nothing is taken, then traffic, then what waits."""

    def held(row: QueueRow) -> int:
        count = counts.get(row.id, {})
        return sum(count.get(state, 0) for state in ("ready", "blocked", "leased"))

    def weight(row: QueueRow) -> tuple[float, str]:
        return -(60 * sum(rates.get(row.id, {}).values()) + sum(counts.get(row.id, {}).values())), row.name

    suspect = [row for row in rows if held(row) and not rates.get(row.id, {}).get(events.DELIVERED)]
    first = heapq.nsmallest(still, suspect, key=lambda row: (-held(row), row.name))
    named = {row.id for row in first}
    return first + sorted((row for row in rows if row.id not in named), key=weight)


def _around(reads: Reads, principal: Principal, kind: str, name: str) -> Topology:
    look = _Look(reads, principal, MOST)
    owner = name.partition("/")[0]
    if kind == TOPIC:
        topics = [(routing.find(owner).pk, owner)]
        bound = Binding.objects.filter(topic_id=topics[0][0]).order_by("position").values_list("to", flat=True)
        named = [to.partition(":")[::2] for to in dict.fromkeys(bound[:MOST])]
        queues = [to for of, to in named if of == QUEUE and principal.may(BROWSE, of, to)]
        streams = [to for of, to in named if of == STREAM and principal.may(BROWSE, of, to)]
    else:
        of = QUEUE if kind == QUEUE else STREAM
        (browse.find if of == QUEUE else control.get)(owner)
        queues, streams = ([owner], []) if of == QUEUE else ([], [owner])
        found = Topic.objects.filter(bindings__to=f"{of}:{owner}").order_by("name").distinct().values_list("pk", "name")
        topics = [row for row in found[:MOST] if principal.may(BROWSE, TOPIC, row[1])]
    rows = [QueueRow.of(queue) for queue in Queue.declared.filter(name__in=queues).order_by("name")]
    look.queues(rows, browse.counts(row.id for row in rows))
    look.streams(Stream.objects.filter(name__in=streams, deleted_at=None).order_by("name").values_list("pk", "name"))
    if streams:
        look.groups(None)
    look.topics(topics)
    for of, number in list(look.ids)[:FEW]:
        look.publishers(sources.seen_at(reads, of, number, PAIRS))
    if len(look.ids) > FEW:
        look.publishers(sources.seen(reads, PAIRS))
    return look.done()


class _Look:
    """A topology that is being put together."""

    def __init__(self, reads: Reads, principal: Principal, limit: int) -> None:
        self._reads, self._principal, self._limit = reads, principal, limit
        self.names: dict[str, Collection[str]] = {}  # of all that may be browsed, where not all of them are shown
        self.ids: dict[tuple[str, int], str] = {}  # those that are shown, by kind and id in the store
        self._found = Topology()
        self._rates = sources.sources.rates()
        self._readers = connections.readers()
        self._edges: dict[tuple[str, str], Edge] = {}
        self._consumers: defaultdict[str, list[tuple[str, int, float | None]]] = defaultdict(list)
        self._published: defaultdict[str, list[tuple[Seen, str]]] = defaultdict(list)

    def first(self, kind: str, ranked: list[Any]) -> list[Any]:
        """As many as are shown."""
        self._found.more[kind] = max(0, len(ranked) - self._limit)
        return ranked[: self._limit]

    def _add(self, node: Node, number: int | None = None) -> None:
        self._found.nodes[node.id] = node
        if number is not None:
            self.ids[node.kind, number] = node.id

    def _link(self, edge: Edge) -> None:
        """Ways between the same two are one."""
        known = self._edges.get(edge[:2])
        if known is not None:
            rates = [each for each in (known.rate, edge.rate) if each is not None]
            patterns = tuple(dict.fromkeys((*known.patterns, *edge.patterns)))[:PATTERNS]
            edge = Edge(*edge[:2], round(sum(rates), 2) if rates else None, patterns)
        self._edges[edge[:2]] = edge

    # Queues, streams and groups, with who consumes them

    def queues(self, rows: Sequence[QueueRow], counts: Mapping[int, Mapping[str, int]]) -> None:
        standings = reading.queues(self._reads, rows, counts) if rows else []
        asked = reading.last_consumers(standing.id for standing in standings if standing.asked)
        for each in standings:
            held = each.count("ready", "scheduled", "blocked", "leased")
            facts = {
                "rates": {name: each.rate(name) for name in queue_stats.RATES},
                **{state: each.count(state) for state in ("ready", "scheduled", "blocked", "leased", "dead")},
                "verdict": of_queue.holding(each)[0],
                "stands": _stands(each),
            }
            loose = not each.attended
            node = Node(QUEUE, each.name, max(each.rate("published"), each.out), held, _stands(each), loose, facts)
            self._add(node, each.id)
            self._attend(node.id, each, asked.get(each.id) or each.last_consumer, each.out)

    def _attend(self, to: str, queue: QueueStanding, asked: str | None, rate: float) -> None:
        """Who takes from a queue: clients, however many subscriptions each has; one alone takes all there is.

        Of others each has the rate of what it is given, which callers of receive have not.
        """
        held, given = Counter[str](), dict[str, float | None]()
        for consumer in queue.consumers:
            held[consumer.client] += consumer.unsettled
            given[consumer.client] = _sum(given.get(consumer.client, 0.0), consumer.rate)
        if queue.asked and asked and asked not in held:
            held[asked] = 0
        for client, n in held.items():
            self._consumers[client].append((to, n, round(rate, 2) if len(held) == 1 else given.get(client)))

    def streams(self, rows: Iterable[tuple[int, str]]) -> None:
        appended = stream_stats.by_id()
        for pk, name in rows:
            rates = {event: appended.get(pk, {}).get(event, 0.0) for event in events.STREAM_EVENTS}
            node = Node(STREAM, name, rates[events.APPENDED], facts={"rates": rates})
            self._add(node, pk)
            for client, rate in self._readers.get((name, ""), {}).items():
                self._consumers[client].append((node.id, 0, rate))

    def groups(self, counts: Mapping[int, Mapping[str, int]] | None) -> None:
        """Those of the streams that are shown."""
        rows = [row for row in groups.every_group(self._reads) if (STREAM, row.stream_id) in self.ids]
        shown = self.first(GROUP, rows)
        ids = [row.queue_id for row in shown if row.queue_id is not None]
        hidden = [QueueRow.of(queue) for queue in Queue.objects.filter(pk__in=ids)]
        standings = reading.queues(self._reads, hidden, counts or browse.counts(ids)) if hidden else []
        of = {row.queue_id: row for row in shown}
        shared = {each.id: as_group(each, of[each.id].stream, of[each.id].name) for each in standings}
        for row, each in zip(shown, groups.every(self._reads, shown, shared) if shown else (), strict=True):
            self._group(row, each)

    def _group(self, row: GroupRow, group: GroupStanding) -> None:
        stands = _group_stands(group)
        facts = {
            "stream": row.stream,
            "group": row.name,
            "kind": "shared" if group.shared else "partitioned",
            "rates": {"read": round(group.read, 2)},
            "lag": group.lag,
            "verdict": of_group.holding(group)[0],
            "stands": stands,
        }
        node = Node(GROUP, f"{row.stream}/{row.name}", group.read, group.lag, stands, not group.attended, facts)
        self._add(node)
        self._link(Edge(self.ids[STREAM, row.stream_id], node.id, round(group.read, 2)))
        if group.queue is not None:
            self._attend(node.id, group.queue, group.queue.last_consumer, group.read)
            return
        clients = {member.client for member in group.members}
        given = self._readers.get((row.stream, row.name), {})
        for client in clients:
            self._consumers[client].append((node.id, 0, round(group.read, 2) if len(clients) == 1 else given.get(client)))

    # Topics and publishers

    def topics(self, rows: Sequence[tuple[int, str]]) -> None:
        bound: dict[int, list[tuple[str, str]]] = {pk: [] for pk, _ in rows}
        listed = Binding.objects.filter(topic__in=bound).order_by("topic_id", "position").values_list("topic_id", "pattern", "to")
        for topic_id, pattern, to in listed[:BOUND]:
            bound[topic_id].append((pattern, to))
        copied: defaultdict[tuple[str, str], float] = defaultdict(float)
        for (_, route, kind, number), rate in self._rates.items():
            if route is not None and (kind, number) in self.ids:
                copied[route, self.ids[kind, number]] += rate
        for pk, name in rows:
            rates = topic_stats.rates(pk)
            leads = [(pattern, to) for pattern, to in bound[pk] if self._principal.may(BROWSE, *to.split(":", 1))]
            facts = {"rates": rates, "bindings": [{"pattern": pattern, "to": to} for pattern, to in leads]}
            self._add(Node(TOPIC, name, rates["published"], loose=not bound[pk], facts=facts), pk)
            for to in dict.fromkeys(to for _, to in leads):
                patterns = tuple(pattern for pattern, each in leads if each == to)[:PATTERNS]
                if (target := self._place(to)) is not None:
                    self._link(Edge(f"{TOPIC}:{name}", target, round(copied.get((name, to), 0.0), 2), patterns))

    def _place(self, to: str) -> str | None:
        """Where a way ends that leads there; None where nothing is there."""
        kind, _, name = to.partition(":")
        if to in self._found.nodes:
            return to
        return more_of(kind) if name in self.names.get(kind, ()) else None

    def publishers(self, seen: Sequence[Seen]) -> None:
        for each in seen:
            if (to := self.ids.get((each.kind, each.number))) is not None:
                self._published[each.name].append((each, to))

    def _all_publishers(self) -> None:
        written = {(seen.kind, seen.number, seen.name) for of in self._published.values() for seen, _ in of}
        wall = clock.wall()
        for source in self._rates:  # who has only just begun is not written yet
            pair = sources.pair_of(source)
            if pair is not None and pair not in written and (to := self.ids.get(pair[:2])) is not None:
                self._published[pair[2]].append((Seen(*pair, wall), to))
        named = {
            name: [(seen, to, self._rates.get((name or None, None, seen.kind, seen.number))) for seen, to in of]
            for name, of in self._published.items()
        }
        ranked = sorted(named, key=lambda name: (-sum(rate or 0.0 for *_, rate in named[name]), name))
        shown = set(self.first(PUBLISHER, ranked))
        kinds = _kinds(shown)
        for name in ranked:
            self._publisher(name or PROJECT, kinds.get(name), named[name])

    def _publisher(self, name: str, kind: str | None, of: Sequence[tuple[Seen, str, float | None]]) -> None:
        """One of them; without a ``kind`` one that is not shown."""
        node = Node(PUBLISHER, name, sum(rate or 0.0 for *_, rate in of))
        last = max(seen.seen_at for seen, *_ in of)
        node.facts = {"kind": kind, "last_seen_at": clock.rfc3339(last), "rates": {"published": round(node.flow, 2)}}
        if kind is not None:
            self._add(node)
        for _, to, rate in of:  # what code publishes in a process of its own is counted by nobody
            told = rate if rate is not None or kind == "code" else 0.0
            self._link(Edge(more_of(PUBLISHER) if kind is None else node.id, to, told))

    def done(self) -> Topology:
        """All of it, the nodes in the order of the ways they are on."""
        self._all_publishers()
        ranked = sorted(self._consumers, key=lambda client: (-sum(held for _, held, _ in self._consumers[client]), client))
        for client in self.first(CONSUMER, ranked):
            takes = self._consumers[client]
            held, known = sum(n for _, n, _ in takes), [rate for *_, rate in takes if rate is not None]
            facts = {"unsettled": held, "rates": {"taken": round(sum(known), 2) if len(known) == len(takes) else None}}
            self._add(Node(CONSUMER, client, sum(known), held, facts=facts))
        for client in ranked:
            shown = f"{CONSUMER}:{client}" in self._found.nodes
            for to, _, rate in self._consumers[client]:
                self._link(Edge(to, f"{CONSUMER}:{client}" if shown else more_of(CONSUMER), rate))
        nodes = sorted(self._found.nodes.values(), key=lambda node: KINDS.index(node.kind))
        self._found.nodes = {node.id: node for node in nodes}
        self._found.edges = sorted(self._edges.values())
        return self._found


def _kinds(names: Collection[str]) -> dict[str, str]:
    """What publishers are: tokens, people, or code that names itself."""
    tokens = set(Token.objects.filter(name__in=names).values_list("name", flat=True))
    people = users.named(names)
    return {name: "token" if name in tokens else "user" if name in people else "code" for name in names}


def _sum(a: float | None, b: float | None) -> float | None:
    """Of two rates; None where one is not known."""
    return None if a is None or b is None else round(a + b, 2)


def _stands(queue: QueueStanding) -> bool:
    """Whether it holds messages, and none leave: that the head of a key is tried again and again takes none away."""
    if queue.stuck or (queue.head is not None and not queue.out):
        return True
    taken = queue.rate(events.DELIVERED) or queue.out
    return bool(queue.oldest_at and not taken and queue.age(queue.oldest_at) >= SHORT)


def _group_stands(group: GroupStanding) -> bool:
    taken = group.read or (group.queue is not None and group.queue.rate(events.DELIVERED))
    return bool(group.lag and group.oldest_at and not taken and group.age(group.oldest_at) >= SHORT)
