"""The pictures of volume and of positions: their points are the figures, and the figures what counting and the verbs say."""

from __future__ import annotations

import random
import re
from html import unescape
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.console.drawing import HEIGHT
from brokerweb.console.histograms import BUCKETS, Flag, Histogram, round_edges
from brokerweb.console.strips import SMALL, Strip, small
from brokerweb.core import clock
from brokerweb.queues import volume
from brokerweb.queues.models import Content
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import group_objects, membership, positions
from brokerweb.streams.models import Partition, Record
from tests.console.conftest import append, declare, declare_group, declare_stream, kill, person, publish, text

BAR = re.compile(r"M(\d+) 1000V(\d+)h9V1000z")
MOST = 6_000  # bytes of a picture
DAY = 86_400
counts = st.lists(st.integers(0, 10**7), min_size=1, max_size=BUCKETS + 1)


# Histograms


def heights(svg: str, n: int) -> list[float]:
    """The figure of each bar, as it is drawn."""
    inner = ElementTree.fromstring(svg).find("svg[@class='bars']")
    assert inner is not None
    [path] = inner.iter("path")
    drawn = {int(x) // 10: HEIGHT - int(y) for x, y in BAR.findall(path.get("d", ""))}
    top = float(inner.get("data-top", 0))
    return [drawn.get(place, 0) / HEIGHT * top for place in range(n)]


@given(counts)
def test_bars_are_as_high_as_their_figures(several: list[int]):
    shown = Histogram("volume", "record", [clock.seconds(n) for n in range(len(several) + 1)], several)
    for drawn, figure in zip(heights(shown.svg, len(several)), several, strict=True):
        assert drawn == pytest.approx(figure, abs=shown.top / HEIGHT)
        assert (drawn > 0) == (figure > 0)
    assert [row.many for row in shown.rows] == several
    assert len(shown.svg) < MOST


@given(st.integers(0, 2 * 10**15), st.integers(0, 4_000 * DAY * clock.SECOND))
def test_edges_are_round_and_few_and_hold_all(first: int, spread: int):
    edges = round_edges(first, first + spread)
    assert edges[0] <= first <= first + spread < edges[-1]
    assert 2 <= len(edges) <= BUCKETS + 3
    steps = {there - here for here, there in pairwise(edges)}
    assert len(steps) == 1
    assert steps.pop() % clock.SECOND == 0


@given(st.lists(st.integers(0, 100 * clock.SECOND), min_size=1, max_size=8))
def test_flags_stand_at_their_instants(instants: list[int]):
    flags = [Flag(f"g{n}", at, 1) for n, at in enumerate(instants)]
    shown = Histogram("volume", "record", [0, clock.seconds(50), clock.seconds(100)], [1, 1], flags=flags)
    drawn = ElementTree.fromstring(shown.svg).findall("svg[@class='flag']")
    places = {each.findtext("text"): float(each.get("x", "").rstrip("%")) for each in drawn}
    assert [places[letter] for letter in "ABCDEFGH"[: len(flags)]] == [
        pytest.approx(at / clock.SECOND, abs=0.01) for at in instants
    ]


def spread_out(stream: str, seed: int) -> None:
    """Move what was appended back in time, as if it had come bit by bit during a day."""
    chance = random.Random(seed)
    for partition in Partition.objects.filter(stream__name=stream):
        at = clock.wall() - clock.seconds(DAY)
        for record in Record.objects.filter(partition_id=partition.pk).order_by("id"):
            at += clock.seconds(chance.randrange(200))
            Record.objects.filter(pk=record.pk).update(appended_at=clock.to_datetime(at))
        Partition.objects.filter(pk=partition.pk).update(last_at=clock.to_datetime(at))


@pytest.fixture
def stream(client) -> str:
    declare_stream("events", partitions=2)
    declare_group("billing")
    for number, n in ((0, 90), (1, 40)):
        append("events", *range(n), partition=number)
    spread_out("events", 1)
    return "events"


def at_of(row: Any) -> int:
    return clock.from_datetime(row.at)


def test_the_picture_of_records_is_what_counting_gives(client, stream: str):
    shown = client.get(f"/streams/{stream}/records", {"partition": 1}).context["histogram"]
    [partition] = Partition.objects.filter(number=1)
    instants = [clock.from_datetime(record.appended_at) for record in Record.objects.filter(partition_id=partition.pk)]
    for row in shown.rows:
        assert row.many == sum(at_of(row) <= at < clock.from_datetime(row.until) for at in instants)
    assert (sum(shown.counts), shown.exact) == (40, True)


def test_a_bar_opens_the_records_of_its_time(client, stream: str):
    shown = client.get(f"/streams/{stream}/records", {"range": "7d"}).context["histogram"]
    row = next(row for row in shown.rows if row.many)
    opened = client.get(row.url).context
    assert clock.from_datetime(opened["found"].items[0].appended_at) >= at_of(row)
    assert opened["found"].items[0].pk & 0xFF == 0
    assert opened["spans"].named == "7d", "what is shown stays"


def test_an_hour_that_clocks_show_twice_is_gone_to_each_time(client):
    declare_stream("events")
    declare_group("billing")
    append("events", *range(4))
    instants = [f"2026-10-25T0{hour}:30:00Z" for hour in range(4)]
    for record, at in zip(Record.objects.order_by("id"), instants, strict=True):
        Record.objects.filter(pk=record.pk).update(appended_at=clock.to_datetime(clock.parse_rfc3339(at)))
    Partition.objects.update(last_at=clock.to_datetime(clock.parse_rfc3339(instants[-1])))
    client.cookies["console_zone"] = "Europe/Berlin"
    shown = client.get("/streams/events/records").context["histogram"]
    opened = [client.get(row.url) for row in shown.rows if row.many]
    assert [page.context["found"].items[0].pk & 0xFF for page in opened] == [0, 1, 2, 3]
    assert [re.findall(r'name="time" type="([^"]+)"', text(page)) for page in opened] == [
        ["datetime-local"], ["text"], ["datetime-local"], ["datetime-local"]
    ]  # fmt: skip
    place = "/streams/events/groups/billing/seek"
    page = client.get(place)
    rows = [row for row in page.context["histogram"].rows[1:] if row.many]
    places = dict(re.findall(r'<tr data-at="([^"]+)">.*?href="([^"]+)"', text(page)))
    for n, row in enumerate(rows, 1):
        [typed] = [at for at, url in places.items() if unescape(url) == row.url]
        asked = client.get(place, {"where": "time", "time": typed})
        kind = "text" if typed.endswith("Z") else "datetime-local"
        assert f'<input type="{kind}" name="time" value="{typed}"' in text(asked)
        assert [move.to for move in asked.context["moves"]] == [n]
        assert asked.context["histogram"].chosen == at_of(row)
    assert {at[11:13] for at in places if at.endswith("Z")} == {"01"}


def test_what_a_seek_would_mean_is_what_its_preview_says(client, stream: str):
    perform(positions.seek, stream, "billing", {"0": "50", "1": "3"})
    shown = client.get(f"/streams/{stream}/groups/billing/seek").context["histogram"]
    assert shown.flags[0].name == "billing"
    for row in [*shown.rows, shown.end]:
        asked = {name: value for name, [value] in parse_qs(urlsplit(row.url).query).items()}
        moves = client.get(f"/streams/{stream}/groups/billing/seek", asked).context["moves"]
        again = sum(move.records for move in moves if move.to < move.origin)
        skipped = sum(move.records for move in moves if move.to > move.origin)
        parts = [f"{again} again"] * bool(again) + [f"{skipped} skipped"] * bool(skipped)
        assert row.means == (", ".join(parts) or "stays")
    assert shown.rows[0].means == "53 again"
    assert shown.end.means == "77 skipped"


def test_flags_are_where_the_oldest_unread_record_is(client, stream: str):
    perform(positions.seek, stream, "billing", {"0": "50", "1": "40"})
    declare_group("mailing", start="latest")
    [mine, other] = client.get(f"/streams/{stream}/groups/billing/seek").context["histogram"].flags
    [partition] = Partition.objects.filter(number=0)
    unread = Record.objects.get(pk=partition.pk << 40 | 50)
    assert (mine.at, mine.left) == (clock.from_datetime(unread.appended_at), 40)
    assert mine.behind == pytest.approx((clock.wall() - mine.at) / clock.SECOND, abs=5)
    assert (other.name, other.left, other.behind) == ("mailing", 0, None)


def test_a_place_that_was_chosen_is_shaded(client, stream: str):
    page = client.get(f"/streams/{stream}/groups/billing/seek", {"where": "latest"})
    [shade] = ElementTree.fromstring(page.context["histogram"].svg).iter("rect")
    x, width = (float(shade.get(name, "").rstrip("%")) for name in ("x", "width"))
    assert shade.get("class") == "shade skipped"
    assert x + width == pytest.approx(100, abs=0.01)
    assert width > 90
    assert "data-moved" in text(page)


@pytest.mark.parametrize("few", [True, False])
def test_the_picture_of_messages_is_when_they_were_published(client, monkeypatch, few: bool):
    declare("orders", max_failures=1)
    ids = publish("orders", *range(120))
    kill("orders", *["broken"] * 20)
    at = clock.wall() - clock.seconds(DAY)
    for n, message_id in enumerate(ids):
        Content.objects.filter(pk=message_id).update(published_at=clock.to_datetime(at + clock.seconds(400 * n)))
    if not few:
        monkeypatch.setattr(volume, "COUNTED", 10)
        monkeypatch.setattr(volume, "MANY", 2)
    for state, n in (("", 120), ("dead", 20), ("ready", 100)):
        shown = client.get("/queues/orders/messages", {"state": state}).context["histogram"]
        kept = Content.objects.filter(pk__in=ids[:20] if state == "dead" else ids[20:] if state else ids)
        instants = [clock.from_datetime(content.published_at) for content in kept]
        expected = [sum(at_of(row) <= each < clock.from_datetime(row.until) for each in instants) for row in shown.rows]
        assert sum(shown.counts) == pytest.approx(n, abs=0 if few else 3)
        assert shown.exact or not few
        assert list(shown.counts) == (expected if few else [pytest.approx(each, abs=1.5) for each in expected])


def test_a_bar_opens_the_messages_of_its_time(client):
    declare("orders")
    ids = publish("orders", *range(30))
    at = clock.wall() - clock.seconds(DAY)
    for n, message_id in enumerate(ids):
        Content.objects.filter(pk=message_id).update(published_at=clock.to_datetime(at + clock.seconds(1_000 * n)))
    shown = client.get("/queues/orders/messages", {"state": "ready"}).context["histogram"]
    row = [row for row in shown.rows if row.many][10]
    first = client.get(row.url).context["found"][0]
    assert at_of(row) <= clock.from_datetime(first.published_at) < clock.from_datetime(row.until)


@pytest.mark.parametrize("asked", [{"state": "leased"}, {"key": "a"}, {"state": "settled"}])
def test_messages_whose_time_no_index_tells_have_no_picture(client, asked: dict[str, str]):
    publish(declare("orders"), 1, key="a")
    assert client.get("/queues/orders/messages", asked).context["histogram"] is None


def test_what_is_empty_has_no_picture(client):
    declare_stream("events")
    declare("orders")
    declare_group("billing")
    for place in ("/streams/events/records", "/streams/events/groups/billing/seek", "/queues/orders/messages"):
        page = client.get(place)
        assert (page.status_code, page.context["histogram"]) == (200, None)


# Strips

strips = st.builds(
    lambda low, there, at, owner: Strip(low, low + at, low + there, owner),
    st.integers(0, 10**9), st.integers(0, 10**7), st.integers(-5, 10**7), st.none() | st.integers(0, 30),
)  # fmt: skip


def segments(svg: str) -> list[tuple[float, float, float]]:
    """Of each segment where it begins, how wide it is, and how wide of it is filled."""
    found = []
    for group in ElementTree.fromstring(svg).iter("g"):
        there, filled = group.findall("rect")
        x, wide, done = (
            float(each.get(name, "").rstrip("%")) for each, name in ((there, "x"), (there, "width"), (filled, "width"))
        )
        found.append((x, wide, done))
    return found


@given(strips)
def test_a_strip_is_filled_up_to_the_position(strip: Strip):
    [(x, wide, filled)] = segments(strip.svg)
    there = strip.end - strip.low
    share = min(max(strip.committed - strip.low, 0), there) / there if there else 1
    assert (x, wide) == (0, 100)
    assert filled == pytest.approx(100 * share, abs=0.01)
    assert strip.left == there - min(max(strip.committed - strip.low, 0), there)


@given(st.lists(strips, min_size=1, max_size=100))
def test_small_strips_stand_side_by_side_and_are_few(several: list[Strip]):
    svg = small(several)
    found = segments(svg)
    assert len(found) == min(len(several), SMALL)
    assert len(svg) < MOST
    if len(several) <= SMALL:
        assert [filled / wide for _, wide, filled in found] == [pytest.approx(strip.share, abs=0.01) for strip in several]
    assert all(b[0] >= a[0] + a[1] - 0.01 for a, b in pairwise(found))


def test_a_groups_page_shows_what_its_positions_are(client, stream: str):
    perform(positions.seek, stream, "billing", {"0": "50", "1": "40"})
    shown = client.get(f"/streams/{stream}/groups/billing").context["group"]
    described = read(group_objects.describe, stream, "billing")
    for part, said in zip(shown["partitions"], described["partitions"], strict=True):
        strip = part["strip"]
        assert (strip.low, strip.committed, strip.end) == tuple(int(said[name]) for name in ("low", "committed", "end"))
        assert (strip.left, part["lag"]) == (said["lag"], said["lag"])
    assert shown["partitions"][0]["behind"] > 1_000
    assert shown["partitions"][1]["behind"] == 0
    [listed] = client.get(f"/streams/{stream}/groups").context["groups"]
    assert listed["behind"] == pytest.approx(shown["partitions"][0]["behind"], abs=10)
    assert [filled / wide for _, wide, filled in segments(listed["strip"])] == [pytest.approx(50 / 90, abs=0.01), 1]


def test_owners_are_told_apart_by_a_letter(client, stream: str):
    for n in range(2):
        perform(membership.join, stream, "billing", f"n/c/{n}", name=f"worker-{n}", address="")
    shown = client.get(f"/streams/{stream}/groups/billing").context["group"]
    letters = {member["id"]: member["letter"] for member in shown["members"]}
    assert sorted(letters.values()) == ["A", "B"]
    for part in shown["partitions"]:
        assert part["strip"].letter == letters.get(part["owner"], "–")


# Steps


def test_a_seek_goes_to_where_another_group_is(client, stream: str):
    declare_group("mailing")
    perform(positions.seek, stream, "mailing", {"0": "12", "1": "34"})
    place, asked = f"/streams/{stream}/groups/billing/seek", {"where": "group", "group": "mailing"}
    assert [move.to for move in client.get(place, asked).context["moves"]] == [12, 34]
    client.post(place, asked)
    assert read(group_objects.describe, stream, "billing")["committed"] == {"0": "12", "1": "34"}
    wrong = client.post(place, {"where": "group", "group": "<b>"})
    assert list(wrong.context["form"].errors) == ["group"]
    assert "no group &lt;b&gt;" in text(wrong)


def test_pictures_are_for_who_may_browse(stream: str):
    reader = person(("events", ["browse"]))
    assert reader.get("/streams/events/records").context["histogram"] is not None
    assert reader.get("/streams/events/groups/billing/seek").status_code == 403
