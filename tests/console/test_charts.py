"""The pictures' points are the figures: what is drawn is read back, and held against the samples and the table beside it."""

from __future__ import annotations

import gzip
import random
import re
from itertools import accumulate
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.cluster import marks
from brokerweb.console import charts
from brokerweb.console.charts import Chart, sparkline
from brokerweb.console.drawing import HEIGHT, Scale, area, line, round_count, round_time, round_top
from brokerweb.core import clock
from brokerweb.queues.models import Message, Queue
from brokerweb.samples.reading import RANGES, Series, Spark, steps
from brokerweb.samples.series import QUEUES, Kind, Sample, of
from brokerweb.storage.run import perform
from brokerweb.streams.models import ConsumerGroup, Record, Stream
from tests.console.conftest import append, declare, declare_group, declare_stream, person, publish, text
from tests.samples.seeding import tell

LAST = 1_800_000_000 // 10
MOST = 6_000  # bytes of a picture
TOKEN = re.compile(r"([MLVlhvz])|(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


def points(path: str) -> list[tuple[float, float]]:
    """Where a path's pen has stood, from place to place; areas begin and end on the ground."""
    found: list[tuple[float, float]] = []
    numbers: list[float] = []
    command, x, y = "", 0.0, 0.0
    for letter, digits in TOKEN.findall(path):
        if letter:
            command, numbers = letter, []
            continue
        numbers.append(float(digits))
        if command in "MLl" and len(numbers) < 2:
            continue
        if command == "h":
            found += [(x + n, y) for n in range(1, int(numbers[0]))]
        x, y = moved(command, numbers, x, y)
        found.append((x, y))
        numbers = []
    return found


def moved(command: str, numbers: list[float], x: float, y: float) -> tuple[float, float]:
    if command in "ML":
        return numbers[0], numbers[1]
    if command == "l":
        return x + numbers[0], y + numbers[1]
    if command == "h":
        return x + numbers[0], y
    return x, numbers[0] if command == "V" else y + numbers[0]


def heights(path: str, width: int) -> list[float | None]:
    """The height at each place: the last one, where an area has gone up from the ground, or the first, before it goes back."""
    found: dict[int, float] = {}
    for part in path.split("M")[1:]:
        stood = points("M" + part)
        if part.endswith("z"):
            stood = stood[1:-1]
        found |= {round(x): y for x, y in stood}
    return [found.get(n) for n in range(width)]


figures = st.lists(st.none() | st.floats(0, 1e9), min_size=2, max_size=100)


@given(figures, st.sampled_from([(HEIGHT, HEIGHT), (500, 500), (500, -500)]))
def test_a_line_goes_through_its_figures_and_leaves_gaps(drawn: list[float | None], place: tuple[int, int]):
    scale = Scale(round_top(max((figure for figure in drawn if figure is not None), default=0)), *place)
    within = abs(scale.top / scale.height) * 0.51
    for found, figure in zip(heights(line(drawn, scale), len(drawn)), drawn, strict=True):
        assert (found is None) == (figure is None)
        assert found is None or figure is None or abs(scale.figure(found) - figure) <= within
    for found, figure in zip(heights(area(drawn, scale), len(drawn)), drawn, strict=True):
        assert found is None or (figure is not None and abs(scale.figure(found) - figure) <= within)


@given(st.floats(0, 1e12))
def test_the_edges_of_pictures_are_round_and_near(most: float):
    for rounded in (round_top(most), round_count(most)):
        assert most <= rounded * 1.001
        assert rounded <= max(2, most * 2.01)
    assert most <= round_time(most) * 1.001


def story(seed: int, seen: Any = lambda n: True) -> Any:
    chance = random.Random(seed)

    def sample(n: int) -> Sample | None:
        if not seen(n):
            return None
        ready = chance.randrange(90_000)
        others, counts = ([chance.randrange(most) for _ in range(n)] for n, most in ((4, 9_000), (3, 500_000)))
        return Sample(*(ready, *others, chance.randrange(1, 90_000), *counts))

    return sample


def series(named: str, sample: Any) -> Series:
    over = steps(named, LAST)
    return Series(over, [sample(n) for n in range(len(over.all))])


def svgs(chart: Chart) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(plot.svg) for plot in chart.plots]


def paths(svg: ElementTree.Element) -> dict[str, str]:
    return {path.get("class", ""): path.get("d", "") for path in svg.iter("path")}


def table(chart: Chart, n: int) -> list[float | None]:
    """A column of the table twin, the oldest first."""
    return [row.figures[n] for row in reversed(chart.rows)]


@pytest.mark.parametrize("named", RANGES)
def test_a_queues_picture_is_its_samples_by_state(named: str):
    drawn = series(named, story(1, lambda n: n % 50 > 4))
    chart = charts.of_queue(drawn, named, None)
    depth, age = svgs(chart)
    top = float(depth.get("data-top", 0))
    columns = [table(chart, n) for n in range(5)]
    whole = zip(*([figure or 0 for figure in column] for column in columns), strict=True)
    below = [list(accumulate(states, initial=0)) for states in whole]
    for n, (css, _) in enumerate(charts.STATES):
        found = heights(paths(depth)[f"area fill-{css}"], len(chart.instants))
        for place, height in enumerate(found):
            assert (height is None) == (columns[n][place] is None)
            if height is not None:
                assert Scale(top).figure(height) == pytest.approx(below[place][n + 1], abs=top / HEIGHT)
    seconds = float(age.get("data-top", 0))
    for height, figure in zip(heights(paths(age)["line blocked"], len(chart.instants)), table(chart, 5), strict=True):
        assert height is None or Scale(seconds).figure(height) == pytest.approx(figure, abs=seconds / HEIGHT)
    # And the table has what was sampled: of several steps that are one point the one with most messages.
    sampled = {(s.ready, s.scheduled, s.blocked, s.leased, s.dead) for s in drawn.samples if s}
    shown = [row.figures for row in chart.rows if row.figures[0] is not None]
    assert {(ready, scheduled, blocked, leased, dead) for ready, leased, blocked, scheduled, dead, _ in shown} <= sampled
    most = max(sum((s.ready, s.scheduled, s.blocked, s.leased)) for s in drawn.samples if s)
    assert max(sum(f or 0 for f in figures[:4]) for figures in shown) == most


@pytest.mark.parametrize("named", RANGES)
def test_a_flow_is_above_and_below_its_line(named: str):
    drawn = series(named, story(2))
    chart = charts.of_flow(drawn, named)
    [svg] = svgs(chart)
    top = float(svg.get("data-top", 0))
    for n, (css, height) in enumerate((("ready", 500), ("leased", -500), ("dead", -500))):
        scale = Scale(top, 500, height)
        for y, figure in zip(heights(paths(svg)[f"area fill-{css}"], len(chart.instants)), table(chart, n), strict=True):
            assert y is not None
            assert (y <= 500) == (height > 0) or y == 500
            assert scale.figure(y) == pytest.approx(figure, abs=top / 500)
    came = sum(s.came for s in drawn.samples if s)
    seconds = [point.seconds for point in charts.points(drawn, named)]
    assert sum(f * s for f, s in zip(table(chart, 0), seconds, strict=True) if f) == pytest.approx(came), "nothing is left out"


@pytest.mark.parametrize("named", RANGES)
@pytest.mark.parametrize("draw", [lambda s, n: charts.of_queue(s, n, 10**6), charts.of_group, charts.of_flow])
def test_no_picture_is_heavier_than_it_may_be(draw: Any, named: str):
    for plot in draw(series(named, story(3, lambda n: n % 7)), named).plots:
        assert len(plot.svg) <= MOST
        assert not re.search(r"style|<script|onload|href", plot.svg)


def growing(each: float, start: int = 1_000) -> Any:
    return lambda n: Sample(ready=max(0, start + round(each * n)))


@pytest.mark.parametrize(
    ("each", "limit", "said"),
    [
        (-8, None, "288 messages now, empty in 6 minutes at this pace."),
        (5, 1_500, "1,445 messages now, full in 1 minute at this pace."),
        (5, None, "1,445 messages now."),
        (0, None, "1,000 messages now."),
        (-0.1, None, "991 messages now, at most 1,000 (07:45)."),
    ],
)
def test_where_it_goes(each: float, limit: int | None, said: str):
    chart = charts.of_queue(series("15m", growing(each)), "15m", limit)
    assert chart.answer == said
    ahead = paths(svgs(chart)[0]).get("ahead")
    assert (ahead is not None) == ("pace" in said)
    if ahead:
        (x, now), (end, then) = points(ahead)
        scale = Scale(float(svgs(chart)[0].get("data-top", 0)))
        seconds = (end - x) * 10
        assert scale.figure(then) - scale.figure(now) == pytest.approx(each * seconds / 10, abs=scale.top / 200)


def test_what_was_purged_just_now_foretells_nothing():
    chart = charts.of_queue(series("15m", lambda n: Sample(ready=4_000 - 10 * n if n < 88 else 5)), "15m", None)
    assert chart.answer == "5 messages now, at most 4,000 (07:45)."


def test_what_goes_up_and_down_foretells_nothing():
    chart = charts.of_queue(series("15m", story(4)), "15m", 10**9)
    assert "pace" not in chart.answer


def test_a_sparkline_is_what_there_was_with_strokes_where_some_died():
    sparks = [Spark(n % 13 * 10, n // 20) if n % 30 else None for n in range(60)]
    svg = ElementTree.fromstring(sparkline(sparks))
    drawn = paths(svg)
    scale = Scale(120 * 1.05)
    for height, spark in zip(heights(drawn["line"], 60), sparks, strict=True):
        assert (height is None) == (spark is None)
        assert spark is None or height is None or scale.figure(height) == pytest.approx(spark.depth, abs=0.2)
    assert [x for x, y in points(drawn["died"]) if y == HEIGHT] == [20, 40]
    assert svg.get("aria-label") == "70 messages now, at most 120, some died 2 times"
    assert len(sparkline(sparks)) < 1_000
    assert "<path" not in sparkline([Spark(0, 0)] * 60), "a queue that was empty all the time is a line that the style draws"


def test_a_long_sparkline_keeps_its_peaks():
    sparks: list[Spark | None] = [Spark(1, 0)] * 168
    sparks[100] = Spark(50, 0)
    svg = ElementTree.fromstring(sparkline(sparks))
    assert max(Scale(52.5).figure(y) for _, y in points(paths(svg)["line"])) == pytest.approx(50, abs=0.1)


# On pages


def moving(tick: int) -> Sample:
    stood = Sample(ready=tick * 7 % 97, leased=tick % 5, dead=tick // 50 % 3, oldest=1 + tick % 300)
    return stood._replace(came=tick % 11, went=tick % 7, failed=tick % 2)


def old(model: type[Any]) -> int:
    """The only one of its kind, which was there all the time; its number."""
    model.objects.update(created_at=0)
    return int(model.objects.get().pk)


def drawn(page: str) -> list[str]:
    return re.findall(r'<svg class="plot.*?</svg>', page)


def test_pages_draw_and_say_the_same_over_each_range(client):
    declare()
    tell({of(Kind.QUEUE, old(Queue)): moving, QUEUES: moving}, hours=3)
    for named in RANGES:
        page = text(client.get("/queues/orders", {"range": named}))
        pictures = drawn(page)
        assert len(pictures) == 2
        for picture in pictures:
            assert len(picture) <= MOST
            svg = ElementTree.fromstring(picture)
            assert svg.get("role") == "img"
            title = svg.find("title")
            assert title is not None
            assert title.text
            assert title.get("id") == svg.get("aria-labelledby")
        assert page.count("As a table") == 2, "of the chart, and of the map"
        assert 'aria-current="true">' + {"15m": "15 min", "1h": "1 h", "6h": "6 h", "24h": "24 h", "7d": "7 d"}[named] in page
    assert 'class="plot mirror"' in text(client.get("/"))


@pytest.mark.parametrize(
    ("named", "ago", "said", "fits"),
    [
        ("24h", 300, "for 5 minutes", "15m"),
        ("24h", 1_800, "for 30 minutes", "1h"),
        ("1h", 300, "for 5 minutes", "15m"),
        ("15m", 300, "for 5 minutes", ""),
        ("7d", 3 * 86_400, "for 3 days", ""),
    ],
)
def test_a_picture_that_is_mostly_empty_says_since_when_there_are_samples(named: str, ago: int, said: str, fits: str):
    known = steps(named, LAST)
    first = len(known.all) - ago // known.seconds
    chart = charts.of_queue(series(named, lambda n: Sample(ready=3) if n >= first else None), named, None)
    assert chart.young is not None
    assert (f"for {chart.young.lasting}", chart.young.fits) == (said, fits)
    since = known.instant(known.last) - clock.seconds(ago)
    assert chart.young.at == clock.to_datetime(since)


@pytest.mark.parametrize("from_", [0, 20])
def test_a_picture_that_is_mostly_full_says_nothing_of_that(from_: int):
    drawn = charts.of_queue(series("1h", lambda n: Sample(ready=3) if n >= from_ else None), "1h", None)
    assert (drawn.empty, drawn.young) == (False, None)
    assert charts.of_queue(series("1h", lambda n: None), "1h", None).young is None, "it says that in its own words"


def test_a_page_says_since_when_there_are_samples_and_leads_to_the_range_that_fits(client):
    declare()
    tell({of(Kind.QUEUE, old(Queue)): moving}, hours=3)
    page = text(client.get("/queues/orders", {"range": "7d", "q": "x"}))
    assert re.search(r"Samples since (\w{3} \d+ )?\d\d:\d\d, for 4 hours", page)
    [fits] = re.findall(r'<a href="\?([^"]*)">show the last 6 hours</a>', page)
    assert "range=6h" in fits
    assert "Samples since" not in text(client.get("/queues/orders", {"range": "1h"}))


def test_a_streams_and_a_groups_page_draw(client):
    declare_stream()
    declare_group("g")
    tell({of(Kind.STREAM, old(Stream)): moving, of(Kind.GROUP, ConsumerGroup.objects.get().pk): moving})
    assert len(drawn(text(client.get("/streams/events")))) == 1
    page = text(client.get("/streams/events/groups/g"))
    assert len(drawn(page)) == 2
    assert "left to read now" in page
    assert '<svg class="spark"' in text(client.get("/streams"))


def test_now_draws_what_stands_still_and_what_is_busiest(client):
    publish(declare(), 1)
    Message.objects.update(due_at=1)
    declare_stream()
    append("events", 1)
    declare_group("billing")
    group = ConsumerGroup.objects.get()
    Record.objects.update(appended_at=0)
    queue, stream = of(Kind.QUEUE, old(Queue)), of(Kind.STREAM, old(Stream))
    three, five, seven = (Sample(ready=n) for n in (3, 5, 7))
    tell({queue: lambda _: three, stream: lambda _: five, of(Kind.GROUP, group.pk): lambda _: seven})
    page = client.get("/")
    said = {finding.of: finding.spark for finding in page.context["findings"].shown}
    assert 'aria-label="3 messages now, at most 3"' in said["orders", ""]
    assert 'aria-label="7 records now, at most 7"' in said["events", "billing"]
    assert 'aria-label="3 messages now, at most 3"' in page.context["busiest"][0].spark
    assert 'aria-label="5 records now, at most 5"' in page.context["busiest_streams"][0].spark
    assert text(page).count('<svg class="spark"') == 4


def test_a_list_of_fifty_queues_with_their_pictures_is_light(client):
    for n in range(50):
        declare(f"orders.of-a-rather-long-name.{n:03}")
    stories = {of(Kind.QUEUE, pk): lambda tick, pk=pk: moving(tick * pk) for pk in Queue.objects.values_list("pk", flat=True)}
    tell(stories)
    page = client.get("/queues").content
    assert page.count(b'<svg class="spark"') == 50
    assert page.count(b'<path class="line"') == 50
    assert len(gzip.compress(page, 6)) < 40 * 1024, "styles and scripts come besides it, once: 80 KiB in all"


def test_marks_are_drawn_and_said_as_they_were_told(client):
    declare()
    tell({of(Kind.QUEUE, old(Queue)): moving})
    perform(marks.note, "note", "<b>out</b>", at=clock.wall() - clock.seconds(600))
    page = text(client.get("/queues/orders"))
    assert "&lt;b&gt;out&lt;/b&gt;" in page
    assert '<path class="mark" d="M7' in drawn(page)[0]


def test_who_may_browse_a_queue_sees_its_marks_and_no_others(client):
    for name in ("mine.a", "theirs.b"):
        declare(name)
        client.post(f"/queues/{name}/pause", {"reason": "because"})
    Queue.objects.update(created_at=0)  # they were there when the sample was taken
    tell({})
    viewer = person(("mine.*", ["browse"]))
    page = text(viewer.get("/"))
    assert "mine.a paused" in page
    assert "theirs.b" not in page


def test_the_range_goes_with_the_filter_and_the_pages(client):
    for n in range(60):
        declare(f"orders.{n:03}")
    page = text(client.get("/queues", {"range": "6h", "prefix": "orders."}))
    assert '<input type="hidden" name="range" value="6h">' in page
    assert re.search(r"href=\"[^\"]*(after=[^\"]*range=6h|range=6h[^\"]*after=)", page)
    assert "Last 6 hours" in page
    assert "prefix=orders.&amp;range=7d" in page
    assert "Last hour" in text(client.get("/queues", {"range": "never"}))
