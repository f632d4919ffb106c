"""The pictures of pages: what samples say, as SVG and as a table of the same figures, and where it goes from here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from brokerweb.answers.verdicts.words import number, span
from brokerweb.cluster.models import Mark
from brokerweb.console import zones
from brokerweb.console.drawing import HEIGHT, Figures, Scale, area, area_and_line, line, round_count, round_time, round_top, ticks
from brokerweb.core import clock
from brokerweb.samples.answers import oldest
from brokerweb.samples.reading import RANGES, Over, Series, Spark, ticks_of
from brokerweb.samples.series import TICK, Sample, step_of, summed

# How many steps of a range are one point, so that there are about ninety.
TOGETHER = {"15m": 1, "1h": 4, "6h": 4, "24h": 15, "7d": 120}
POINTS = 90
AHEAD = 5  # of the points, one more for so many is the future, where that can be told
FAR = 7 * 86_400  # seconds beyond which nobody is told of a future
FITS = 0.5  # of what a backlog does its trend must explain, else it goes up and down
LEAST = 10  # messages, more or less: fewer are no trend
STRAYS = 1 / 3  # of the difference between its most and its least
LABELS = 5
LONG = 17_280  # ticks, from which on labels are days
MARKS = 12
MOSTLY = 0.5  # of a range: where samples cover less of it the page says so


class Point(NamedTuple):
    """What is drawn at one place: when its time ended, how things stood at their highest, what happened in so many seconds."""

    at: int
    sample: Sample | None
    seconds: int


def points(series: Series, over: Over) -> list[Point]:
    """A series in fewer steps. Those up to the same multiple of a step are together, so that they stay together; the last one is
    by itself: it is the present.
    """
    together = TOGETHER[over] if isinstance(over, str) else -(-len(series.samples) // POINTS)
    found: dict[int, list[tuple[int, Sample | None]]] = {}
    for step, sample in zip(series.steps.all, series.samples, strict=True):
        found.setdefault(step_of(step, together), []).append((step, sample))
    *parts, last = found.values()
    parts += [last[:-1], last[-1:]]
    drawn = ((series.steps.instant(some[-1][0]), [sample for _, sample in some if sample]) for some in parts if some)
    return [_point(at, samples, series.steps.seconds) for at, samples in drawn]


def _point(at: int, samples: Sequence[Sample], seconds: int) -> Point:
    if not samples:
        return Point(at, None, seconds)
    happened, highest = summed(samples), max(samples, key=lambda sample: sample.depth)
    whole = highest._replace(oldest=happened.oldest, came=happened.came, went=happened.went, failed=happened.failed)
    return Point(at, whole, seconds * len(samples))


@dataclass(frozen=True)
class Layer:
    """Figures that are drawn alike: the word for them, and the class of their colour."""

    word: str
    css: str
    figures: Figures
    kind: str = "count"

    @property
    def last(self) -> float | None:
        return next((figure for figure in reversed(self.figures) if figure is not None), None)


@dataclass(frozen=True)
class Plot:
    """One drawing, and the figures at its edges, from above."""

    svg: SafeString
    edges: list[str]
    css: str = ""


class Row(NamedTuple):
    """A point as the table has it."""

    at: datetime
    figures: list[float | None]


class Young(NamedTuple):
    """Since when there are samples, where that is late in a range; and the shortest range that has all of them."""

    at: datetime
    seconds: float
    fits: str

    @property
    def lasting(self) -> str:
        return span(self.seconds)


@dataclass
class Chart:
    """A picture with all that stands around it."""

    key: str
    title: str
    answer: str  # what it says, in a sentence
    layers: list[Layer]
    plots: list[Plot]
    instants: list[int]
    end: int  # of the picture, which may be later than the last point
    marks: Sequence[Mark] = field(default=())
    day: bool = False  # a label says which day, not what time
    young: Young | None = None  # most of it is empty, since nothing was sampled before

    @property
    def first_ms(self) -> int:
        """When its first point is, as scripts count time; ``last_ms`` of its last."""
        return self.instants[0] // 1000

    @property
    def last_ms(self) -> int:
        return self.instants[-1] // 1000

    @property
    def labels(self) -> list[datetime]:
        first = self.instants[0]
        return [clock.to_datetime(first + (self.end - first) * n // (LABELS - 1)) for n in range(LABELS)]

    @property
    def rows(self) -> list[Row]:
        """The newest first: what is asked for most."""
        columns = [layer.figures for layer in self.layers]
        rows = [Row(clock.to_datetime(at), list(figures)) for at, *figures in zip(self.instants, *columns, strict=True)]
        return rows[::-1]

    @property
    def empty(self) -> bool:
        """Whether nothing was ever seen of it."""
        return all(figure is None for layer in self.layers for figure in layer.figures)


# Where it goes


class Forecast(NamedTuple):
    """In how many seconds a backlog has become ``to``, at the pace of late."""

    seconds: float
    now: float
    to: float
    text: str


def forecast(found: Sequence[Point], limit: float | None, words: tuple[str, str] = ("empty", "full")) -> Forecast | None:
    """When it is empty, or has reached its limit, as it went in the last fifth of the picture; None where that says nothing."""
    late = [(point.at / clock.SECOND, point.sample.depth) for point in found[-max(6, len(found) // 5) :] if point.sample]
    depths = [depth for _, depth in late]
    if len(late) < 6 or not depths[-1] or max(depths) - min(depths) < LEAST:
        return None
    slope = _slope(late)
    now = late[-1][1]
    to = 0.0 if slope < 0 else limit
    if to is None or slope == 0 or (slope > 0 and to <= now) or _strays(late, slope):
        return None
    seconds = (to - now) / slope
    word = words[0] if slope < 0 else words[1]
    return Forecast(seconds, now, to, f"{word} in {span(seconds)} at this pace") if seconds <= FAR else None


def _ahead(
    over: Over, found: Sequence[Point], limit: float | None, words: tuple[str, str] = ("empty", "full")
) -> Forecast | None:
    """Of the present alone is it told."""
    return forecast(found, limit, words) if isinstance(over, str) else None


def _slope(late: Sequence[tuple[float, float]]) -> float:
    """How much more there is each second; 0 where it goes up and down."""
    n = len(late)
    x, y = sum(at for at, _ in late) / n, sum(depth for _, depth in late) / n
    spread, rise = sum((at - x) ** 2 for at, _ in late), sum((at - x) * (depth - y) for at, depth in late)
    wide = sum((depth - y) ** 2 for _, depth in late)
    return rise / spread if wide and rise * rise / (spread * wide) >= FITS else 0.0


def _strays(late: Sequence[tuple[float, float]], slope: float) -> bool:
    """Whether it is no more where its trend has led: something has happened just now."""
    depths = [depth for _, depth in late]
    middle_at, middle = sum(at for at, _ in late) / len(late), sum(depths) / len(late)
    expected = middle + slope * (late[-1][0] - middle_at)
    return abs(depths[-1] - expected) > STRAYS * (max(depths) - min(depths))


# Drawing

_PATH = '<path class="{}" d="{}"/>'
_SVG = (
    '<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-labelledby="{}" data-top="{}">'
    '<title id="{}">{}</title>{}</svg>'
)
_HALF = HEIGHT // 2
Drawn = tuple[str, str]  # the class of a path, and the path


def _paths(drawn: Iterable[Drawn]) -> SafeString:
    return format_html_join("", _PATH, ((css, path) for css, path in drawn if path))


@dataclass(frozen=True)
class Scene:
    """What several plots of a chart have in common: their points, the marks between them, and where it goes."""

    key: str
    found: Sequence[Point]
    over: Over
    marks: Sequence[Mark] = ()
    foreseen: Forecast | None = None

    @property
    def when(self) -> str:
        """When it was as its last point says."""
        return "now" if isinstance(self.over, str) else "at its end"

    @property
    def now(self) -> int:
        """Where the last point is."""
        return len(self.found) - 1

    @property
    def width(self) -> float:
        """How wide a plot is, the future included."""
        return self.now + (len(self.found) / AHEAD if self.foreseen else 0)

    @property
    def step(self) -> float:
        """Seconds from one point to the next."""
        return (self.found[-1].at - self.found[0].at) / clock.SECOND / self.now

    @property
    def then(self) -> tuple[float, float]:
        """Where the line of the forecast ends within the picture, and how much there is by then."""
        if self.foreseen is None:
            return self.now, 0.0
        shown = min(1.0, (self.width - self.now) * self.step / self.foreseen.seconds)
        there = self.foreseen.now + (self.foreseen.to - self.foreseen.now) * shown
        return self.now + self.foreseen.seconds * shown / self.step, there

    def figures(self, read: Callable[[Sample, int], float | None]) -> list[float | None]:
        return [None if point.sample is None else read(point.sample, point.seconds) for point in self.found]

    def counts(self, name: str) -> list[float | None]:
        return self.figures(lambda sample, _: getattr(sample, name))

    def shares(self, name: str) -> list[float | None]:
        """How many a second."""
        return self.figures(lambda sample, seconds: getattr(sample, name) / seconds)

    def marked(self) -> Drawn:
        """A line for each mark, where its instant is."""
        places = ((clock.from_datetime(mark.at) - self.found[0].at) / clock.SECOND / self.step for mark in self.marks)
        return "mark", "".join(f"M{place:.4g} 0V{HEIGHT}" for place in places if 0 <= place <= len(self.found))

    def ahead(self, scale: Scale) -> list[Drawn]:
        """The dashed line of where it goes."""
        if self.foreseen is None:
            return []
        right, there = self.then
        path = f"M{self.now} {scale.y(self.foreseen.now)}L{right:.4g} {scale.y(there)}"
        return [("now", f"M{self.now} 0V{HEIGHT}"), ("ahead", path)]

    def svg(self, css: str, said: str, drawn: Iterable[Drawn], top: float) -> SafeString:
        """The picture, with what it says to who does not see it."""
        name, width = f"{self.key}-{css.split()[-1]}", f"{self.width:g}"
        inside = _paths([("rule", f"M0 {_HALF}H{width}"), *drawn])
        return format_html(_SVG, css, width, HEIGHT, name, f"{top:g}", name, said, inside)

    @property
    def young(self) -> Young | None:
        """What there is to say where samples begin in the range's second half."""
        first = next((point for point in self.found if point.sample is not None), None)
        if first is None:
            return None
        since = first.at - first.seconds * clock.SECOND
        known = (self.found[-1].at - since) / clock.SECOND
        if known >= ticks_of(self.over) * TICK * MOSTLY:
            return None
        shorter = (name for name, ticks in RANGES.items() if known <= ticks * TICK and ticks < ticks_of(self.over))
        return Young(clock.to_datetime(since), known, next(shorter, ""))

    def chart(self, title: str, answer: str, layers: list[Layer], plots: list[Plot]) -> Chart:
        first = self.found[0].at
        end = first + round((self.found[-1].at - first) * self.width / self.now)
        instants = [point.at for point in self.found]
        day = ticks_of(self.over) > LONG
        return Chart(self.key, title, answer, layers, plots, instants, end, self.marks, day=day, young=self.young)


def _short(figure: float) -> str:
    """A figure for the edge of a picture."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if figure >= size:
            return f"{figure / size:g}{unit}"
    return f"{figure:g}"


def _long(seconds: float) -> str:
    """A duration for the edge of a picture."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _edges(top: float, write: Callable[[float], str]) -> list[str]:
    return [write(top), write(top / 2), "0"]


def _most(*several: Figures) -> float:
    return max((figure for figures in several for figure in figures if figure is not None), default=0.0)


def _stacked(layers: Sequence[Layer]) -> list[tuple[Layer, list[float | None]]]:
    """Each with what is below it added, the highest first: what is drawn later covers the rest of it."""
    below: list[float | None] = [0.0] * len(layers[0].figures)
    stack = []
    for layer in layers:
        below = [None if a is None or b is None else a + b for a, b in zip(below, layer.figures, strict=True)]
        stack.append((layer, below))
    return stack[::-1]


# The charts

STATES = (("ready", "Ready"), ("leased", "In flight"), ("blocked", "Blocked"), ("scheduled", "Scheduled"), ("dead", "Dead"))


def of_queue(series: Series, over: Over, limit: int | None, marks: Sequence[Mark] = ()) -> Chart:
    """A queue's messages by state, on top of each other, and its oldest; ``limit`` is its max_length."""
    found = points(series, over)
    scene = Scene("depth", found, over, marks, _ahead(over, found, limit))
    layers = [Layer(word, state, scene.counts(state)) for state, word in STATES]
    age = Layer("Oldest", "blocked", scene.figures(oldest), "time")
    answer = _answer(scene, "message")
    waits = f"How long the oldest ready message waits: {_longest(age, scene.when)}."
    plots = [_backlog(scene, f"Messages by state. {answer}", layers), _waiting(scene, waits, age)]
    return scene.chart("Messages", answer, [*layers, age], plots)


def of_group(series: Series, over: Over, marks: Sequence[Mark] = ()) -> Chart:
    """How far a group is behind, in records and in seconds."""
    found = points(series, over)
    scene = Scene("lag", found, over, marks, _ahead(over, found, None, ("caught up", "")))
    lag = Layer("Lag", "ready", scene.counts("ready"))
    age = Layer("Lag in time", "blocked", scene.figures(oldest), "time")
    read = Layer("Read", "leased", scene.shares("went"), "rate")
    answer = _answer(scene, "record", "left to read")
    old = f"How old the first unread record is: {_longest(age, scene.when)}."
    plots = [_backlog(scene, f"Records left to read. {answer}", [lag]), _waiting(scene, old, age)]
    return scene.chart("Lag", answer, [lag, age, read], plots)


def of_flow(series: Series, over: Over, marks: Sequence[Mark] = (), words: tuple[str, str] = ("In", "Out")) -> Chart:
    """What comes, above, and what goes and fails, below: where the two differ a backlog grows or shrinks."""
    scene = Scene("flow", points(series, over), over, marks)
    layers = [
        Layer(words[0], "ready", scene.shares("came"), "rate"),
        Layer(words[1], "leased", scene.shares("went"), "rate"),
        Layer("Failed", "dead", scene.shares("failed"), "rate"),
    ]
    top = round_top(_most(*(layer.figures for layer in layers)))
    above, below = Scale(top, _HALF, _HALF), Scale(top, _HALF, -_HALF)
    drawn = [(f"area fill-{layer.css}", area(layer.figures, below if n else above)) for n, layer in enumerate(layers)]
    answer = _flowing(layers, scene.when)
    said = f"{words[0]} above the line, {words[1].lower()} and failed below it. {answer}"
    svg = scene.svg("plot mirror", said, [*drawn, scene.marked()], top)
    return scene.chart("Flow", answer, layers, [Plot(svg, [f"{_short(top)} /s", "0", f"{_short(top)} /s"], "mirror")])


def _backlog(scene: Scene, said: str, layers: list[Layer]) -> Plot:
    """Layers on top of each other, and where that goes."""
    stack = _stacked(layers)
    scale = Scale(round_count(max(_most(*(total for _, total in stack)), scene.then[1])))
    drawn = [(f"area fill-{layer.css}", area(total, scale)) for layer, total in stack if any(layer.figures)]
    drawn += [*scene.ahead(scale), scene.marked()]
    return Plot(scene.svg("plot", said, drawn, scale.top), _edges(scale.top, _short))


def _waiting(scene: Scene, said: str, layer: Layer) -> Plot:
    """Since when the oldest waits."""
    scale = Scale(round_time(_most(layer.figures)))
    svg = scene.svg("plot low", said, [(f"line {layer.css}", line(layer.figures, scale))], scale.top)
    return Plot(svg, _edges(scale.top, _long), "low")


def _answer(scene: Scene, noun: str, waits: str = "") -> str:
    depths = [(point.at, point.sample.depth) for point in scene.found if point.sample]
    if not depths:
        return "There are no samples of this time."
    depth, (at, most) = depths[-1][1], max(depths, key=lambda each: each[1])
    said = f"{number(depth, noun)} {waits}".strip() + f" {scene.when}"
    if scene.foreseen is not None:
        return f"{said}, {scene.foreseen.text}."
    return f"{said}, at most {most:,} ({zones.local(clock.to_datetime(at)):%H:%M})." if most > depth else f"{said}."


def _longest(age: Layer, when: str) -> str:
    most = f"at most {span(_most(age.figures))}"
    return f"{span(age.last)} {when}, {most}" if age.last else most


def _flowing(layers: Sequence[Layer], when: str) -> str:
    now = ", ".join(f"{_rate(layer.last or 0)} {layer.word.lower()}" for layer in layers)
    came, went = (f"{_rate(_most(layer.figures))} {layer.word.lower()}" for layer in layers[:2])
    return f"{now} a second {when}, at most {came} and {went}."


def _rate(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 10 else f"{figure:.2g}"


# Little ones

_SPARK = '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
NARROW = 60  # points at most


def sparkline(sparks: Sequence[Spark | None], noun: str = "message") -> SafeString:
    """How much there was, with a stroke where some more of it had died."""
    found = _narrowed(sparks)
    depths = [None if spark is None else spark.depth for spark in found]
    most = _most(depths)
    scale = Scale(most * 1.05 or 1)
    died = [n for n, (a, b) in enumerate(pairwise(found), 1) if a and b and b.dead > a.dead]
    below, upon = area_and_line(depths, scale)
    drawn = [("area", below), ("line", upon if most else ""), ("died", ticks(died, 350))]
    return format_html(_SPARK, max(1, len(found) - 1), HEIGHT, _seen(depths, len(died), noun), _paths(drawn))


def _seen(depths: Sequence[float | None], died: int, noun: str) -> str:
    """The same for who does not see it."""
    if all(depth is None for depth in depths):
        return "no samples"
    said = f"{number(round(depths[-1] or 0), noun)} now, at most {round(_most(depths)):,}"
    return f"{said}, some died {number(died, 'time')}" if died else said


def _narrowed(sparks: Sequence[Spark | None]) -> list[Spark | None]:
    """Fewer of them: of several together the most."""
    if len(sparks) <= NARROW:
        return list(sparks)
    together = -(-len(sparks) // NARROW)
    parts = [sparks[max(0, end - together) : end] for end in range(len(sparks), 0, -together)][::-1]
    return [_most_of([spark for spark in part if spark is not None]) for part in parts]


def _most_of(sparks: Sequence[Spark]) -> Spark | None:
    return Spark(max(spark.depth for spark in sparks), max(spark.dead for spark in sparks)) if sparks else None
