"""The map: where messages go, as one picture from left to right, and as a table of the same ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from brokerweb.answers import topology
from brokerweb.answers.topology import CONSUMER, GROUP, KINDS, PUBLISHER, QUEUE, STREAM, TOPIC, Edge, Node, Topology, more_of
from brokerweb.answers.verdicts.words import number
from brokerweb.console.bodies import visible
from brokerweb.console.layers import Layout, arrange
from brokerweb.identity.principal import Principal

SHOWN, AROUND = 9, 6  # of each kind on the map, and around one thing
WIDTHS = (0.01, 1, 10, 100, 1_000)  # messages a second from which on a way is drawn wider
LETTERS = 22  # of a name
BOX, GAP, STEP, HIGH = 152, 60, 46, 36  # how wide, how far apart, from one to the next below it, how high
INSET = (10, 15)  # where a name stands in its box
STUB = 26  # how far a way goes that leads nowhere
LAYERS = ((PUBLISHER,), (TOPIC,), (QUEUE, STREAM), (GROUP,), (CONSUMER,))
WORDS = {
    PUBLISHER: "Publishers",
    TOPIC: "Topics",
    QUEUE: "Queues",
    STREAM: "Streams",
    GROUP: "Groups",
    CONSUMER: "Consumers",
}


class Line(NamedTuple):
    """A way as the table has it."""

    source: str
    target: str
    source_url: str
    target_url: str
    rate: float | None
    patterns: Sequence[str]
    stands: bool


class Map(NamedTuple):
    """The picture and its twin; ``answer`` is what it says in a sentence."""

    answer: str
    svg: SafeString | str
    lines: list[Line]
    loners: list[Node]  # what nothing leads to or from
    more: int
    around: str | None


def drawn(principal: Principal, around: str | None = None) -> Map:
    """The map of what the person may browse, or of what is around one thing. Raises what ``topology`` raises."""
    if around is None:
        return of(topology.topology(principal, None, SHOWN))
    return of(_few(topology.topology(principal, around), around))


def of(found: Topology) -> Map:
    """The map of a topology."""
    linked = {end for edge in found.edges for end in edge[:2]}
    lines = [
        _line(found, edge) for edge in sorted(found.edges, key=lambda edge: (_layer(edge.source), -(edge.rate or 0.0), edge))
    ]
    loners = [node for node in found.nodes.values() if node.id not in linked]
    return Map(_answer(found), picture(found), lines, loners, sum(found.more.values()), found.around)


def _few(found: Topology, middle: str) -> Topology:
    """The nodes that most goes through; what is in the middle stays."""
    kept: dict[str, Node] = {}
    more: dict[str, int] = {}
    for kind in KINDS:
        there = sorted(found.of(kind), key=lambda node: (node.id != middle, not node.stands, -node.flow, -node.holds, node.name))
        kept |= {node.id: node for node in there[:AROUND]}
        more[kind] = found.more.get(kind, 0) + max(0, len(there) - AROUND)

    def end(id: str) -> str:
        return id if id in kept or id not in found.nodes else more_of(found.nodes[id].kind)

    together: dict[tuple[str, str], Edge] = {}
    for edge in found.edges:
        ends = end(edge.source), end(edge.target)
        rates = [each.rate for each in (edge, together.get(ends)) if each is not None and each.rate is not None]
        if not (ends[0].startswith("more:") and ends[1].startswith("more:")):
            together[ends] = Edge(*ends, round(sum(rates), 2) if rates else None, edge.patterns)
    return Topology(kept, list(together.values()), more, found.around)


def _layer(id: str) -> int:
    kind = id.partition(":")[2][:-1] if id.startswith("more:") else id.partition(":")[0]
    return next(n for n, kinds in enumerate(LAYERS) if kind in kinds)


# What it says


def _answer(found: Topology) -> str:
    standing = [node for node in found.nodes.values() if node.stands]
    loose = [node for node in found.of(TOPIC) if node.loose]
    said = []
    if standing:
        named = ", ".join(visible(node.name) for node in standing[:3]) + (" and others" if len(standing) > 3 else "")
        said.append(f"Nothing leaves {named}.")
    if loose:
        named = ", ".join(visible(node.name) for node in loose[:3]) + (" and others" if len(loose) > 3 else "")
        said.append(f"Nothing is bound to {named}.")
    if not said and found.nodes:
        said.append(
            "Whatever holds messages is taken from." if found.around is None else "Where it comes from, and where it goes."
        )
    return " ".join(said) or "There is nothing to draw yet: nobody has published within seven days, and nothing is declared."


def shown_rate(rate: float | None) -> str:
    """Messages a second, in a few letters."""
    if rate is None:
        return ""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"


def under(node: Node) -> str:
    """What stands below a name."""
    if node.kind == CONSUMER:
        parts = [f"holds {node.holds:,}"] if node.holds else []
        taken = node.facts["rates"]["taken"]
        return " · ".join([*parts, *([shown_rate(taken)] if taken else [])]) or ("takes" if taken is None else "idle")
    if node.kind == TOPIC and node.loose:
        return "nothing bound"
    parts = [shown_rate(node.flow)] if node.flow >= WIDTHS[0] else []
    if node.holds:
        parts.insert(0, f"{node.holds:,} {'left' if node.kind == GROUP else 'held'}")
    return " · ".join(parts) or {PUBLISHER: node.facts.get("kind", "")}.get(node.kind, "idle") or "idle"


def _line(found: Topology, edge: Edge) -> Line:
    source = found.nodes.get(edge.source)
    return Line(
        _name(found, edge.source),
        _name(found, edge.target),
        _url(found, edge.source),
        _url(found, edge.target),
        edge.rate,
        edge.patterns,
        source is not None and source.stands,
    )


def _name(found: Topology, id: str) -> str:
    kind = id.partition(":")[2][:-1]
    return found.nodes[id].name if id in found.nodes else f"{found.more.get(kind, 0):,} more {kind}s"


def _url(found: Topology, id: str) -> str:
    return url(found.nodes[id]) if id in found.nodes else ""


def url(node: Node) -> str:
    """The page of a node; who publishes or consumes has none, and is put in the middle of the map."""
    if node.kind in (PUBLISHER, CONSUMER):
        return f"{reverse('brokerweb_console:map')}?{urlencode({'around': node.id})}"
    args = node.name.split("/") if node.kind == GROUP else [node.name]
    return reverse(f"brokerweb_console:{node.kind}", args=args)


# Drawing

_SVG = (
    '<svg class="flows" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="group" aria-label="{2}">'
    '<defs><rect id="flow" x="-{3}" y="-{4}" width="{5}" height="{6}" rx="6"/></defs>{7}{8}</svg>'
)
_NODE = '<a href="{}" class="{}" transform="translate({} {})"><use href="#flow"/><text>{}{}</text><text y="14">{}</text></a>'
_MORE = '<g class="more" transform="translate({} {})"><use href="#flow"/><text y="7">{}</text></g>'


def picture(found: Topology) -> SafeString | str:
    """The SVG; nothing where there is nothing."""
    if not found.nodes:
        return ""
    ends = dict.fromkeys([*found.nodes, *(end for edge in found.edges for end in edge[:2])])
    every = [[id for id in ends if _layer(id) == n] for n in range(len(LAYERS))]
    layers = [nodes for nodes in every if nodes]
    layout = arrange(layers, [edge[:2] for edge in found.edges])
    width, height = len(layers) * (BOX + GAP) - GAP + 2, round(layout.height * STEP) + 2
    if any(node.loose and node.kind == TOPIC for node in found.nodes.values()):
        width = max(width, (BOX + GAP) * (len(layers) - 1) + BOX + STUB + 2)
    boxes = format_html_join("", "{}", ((_box(found, layout, id),) for nodes in layers for id in nodes))
    said = f"Map of where messages go. {_answer(found)}"
    return format_html(_SVG, width, height, said, *INSET, BOX, HIGH, _ways(found, layout), boxes)


def _corner(layout: Layout, id: str) -> tuple[int, int]:
    """Where a node's box begins."""
    layer, y = next(at for stop, at in layout.at.items() if stop.node == id and stop.through is None)
    return 1 + layer * (BOX + GAP), 1 + round(y * STEP - HIGH / 2)


def _box(found: Topology, layout: Layout, id: str) -> SafeString:
    x, y = map(sum, zip(_corner(layout, id), INSET, strict=True))
    node = found.nodes.get(id)
    if node is None:
        return format_html(_MORE, x, y, f"and {_name(found, id)}")
    css = [node.kind, "stands" if node.stands else "", "loose" if node.loose and node.kind == TOPIC else ""]
    css.append("here" if id == found.around else "")
    name = visible(node.facts["group"] if node.kind == GROUP else node.name)
    full = format_html("<title>{}</title>", visible(node.name)) if len(name) > LETTERS or node.kind == GROUP else ""
    short = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
    return format_html(_NODE, url(node), " ".join(filter(None, css)), x, y, full, short, under(node))


def _ways(found: Topology, layout: Layout) -> SafeString:
    """Ways that are drawn alike are one path."""
    paths: dict[str, list[str]] = {}
    for edge in found.edges:
        paths.setdefault(css_of(found, edge), []).append(_curve(layout, edge))
    for node in found.of(TOPIC):
        if node.loose:
            x, y = _corner(layout, node.id)
            paths.setdefault("way loose", []).append(f"M{x + BOX} {y + HIGH // 2}h{STUB}")
    return format_html_join("", '<path class="{}" d="{}"/>', ((css, "".join(each)) for css, each in sorted(paths.items())))


def css_of(found: Topology, edge: Edge) -> str:
    """How a way is drawn: wider where more goes, red where nothing leaves what it comes from."""
    source = found.nodes.get(edge.source)
    if source is not None and source.stands:
        return "way stands"
    return f"way w{0 if edge.rate is None else sum(edge.rate >= width for width in WIDTHS)}"


def _curve(layout: Layout, edge: Edge) -> str:
    """From the right of a box to the left of another, level where it begins and ends and where it passes a layer."""
    stops = [layout.at[stop] for stop in layout.ways[edge[:2]]]
    points = [(1 + layer * (BOX + GAP), 1 + round(y * STEP)) for layer, y in stops]
    x, y = points[0][0] + BOX, points[0][1]
    path = f"M{x} {y}"
    for left, level in points[1:]:
        half = (left - x) // 2
        there = f"{left - x} {level - y}"
        path += f"c{half} 0 {left - x - half} {level - y} {there}" if level != y else f"H{left}"
        x, y = left, level
        if (left, level) != points[-1]:
            x += BOX
            path += f"H{x}"
    return path


def summary(found: Map) -> str:
    """How much of it is drawn."""
    return f"{number(len(found.lines), 'way')} drawn" + (f", {number(found.more, 'thing')} left out" if found.more else "")
