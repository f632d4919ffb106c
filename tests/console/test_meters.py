"""Meters and bars: what is drawn is what there is."""

from __future__ import annotations

from xml.etree import ElementTree

from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.console.meters import BOXES, SHADES, boxes, meter
from brokerweb.console.templatetags.brokerweb_answers import bars
from tests.console.conftest import person, text

MOST = 6_000  # bytes of a picture
ages = st.lists(st.floats(0, 10), max_size=40).map(lambda found: sorted(found, reverse=True))


@given(st.integers(0, 3_000), st.integers(1, 2_000), ages)
def test_a_box_is_filled_for_what_is_held_and_darker_for_what_is_old(held: int, prefetch: int, held_for: list[float]):
    drawn = boxes(held, prefetch, held_for)
    each = max(1, -(-prefetch // BOXES))
    assert len(drawn) == -(-prefetch // each) <= BOXES
    filled = [shade for shade in drawn if shade is not None]
    assert drawn == filled + [None] * (len(drawn) - len(filled))
    assert len(filled) == min(len(drawn), -(-held // each))
    for n, shade in enumerate(filled):
        age = held_for[n * each] if n * each < len(held_for) else 0
        assert shade == sum(age >= share for share in SHADES)
    svg = ElementTree.fromstring(meter(held, prefetch, held_for))
    squares = {path.get("class", ""): path.get("d", "").count("M") for path in svg.iter("path")}
    assert squares.get("room", 0) == len(drawn) - len(filled)
    assert sum(n for css, n in squares.items() if css.startswith("held")) == len(filled)
    assert len(meter(held, prefetch, held_for)) <= MOST
    assert f"holds {held:,} of {prefetch:,}" in svg.get("aria-label", "")


@given(st.lists(st.integers(0, 100_000), min_size=24, max_size=24), st.integers(0, 200_000))
def test_bars_share_a_scale_and_none_that_stands_for_something_is_lost(hours: list[int], more: int):
    most = max(hours) + more
    svg = ElementTree.fromstring(bars(hours, most))
    drawn = {int(rect.get("x", 0)) // 4: int(rect.get("height", 0)) for rect in svg.iter("rect")}
    assert set(drawn) == {at for at, n in enumerate(hours) if n}
    for at, height in drawn.items():
        assert height == max(8, round(100 * hours[at] / most))
    assert len(bars(hours, most)) <= MOST


def test_a_mark_is_set_from_a_page(client: Client):
    assert "Nothing yet" in text(client.get("/marks"))
    answer = client.post("/marks", {"text": "Shop <b>2.4</b> is out", "at": "", "target": ""})
    assert answer.status_code == 302
    page = text(client.get("/marks"))
    assert "Shop &lt;b&gt;2.4&lt;/b&gt; is out" in page
    for wrong in ({"text": ""}, {"text": "x", "at": "2001-01-01T00:00"}, {"text": "x", "target": "orders"}):
        assert client.post("/marks", wrong).status_code == 400


def test_who_manages_nothing_marks_nothing_and_who_manages_one_thing_marks_that(database: None):
    viewer, keeper = person(("orders", ["browse"])), person(("orders", ["browse", "manage"]), name="keeper")
    assert "Mark an instant" not in text(viewer.get("/marks"))
    assert viewer.post("/marks", {"text": "x"}).status_code == 403
    assert keeper.post("/marks", {"text": "mine", "target": "queue:orders"}).status_code == 302
    assert keeper.post("/marks", {"text": "theirs", "target": "queue:mails"}).status_code == 403
    assert "mine" in text(viewer.get("/marks"))
    assert "mine" not in text(person(("mails", ["browse"]), name="other").get("/marks"))


def test_a_range_of_ones_own_stands_on_every_page_until_another_is_chosen(client: Client):
    first = text(client.get("/queues?from=2000-01-01T00:00:00Z&to=2000-01-02T00:00:00Z"))
    assert "data-own-range" not in first, "of that nothing is kept any more"
    chosen = client.get("/?from=" + "2000-01-01T00:00:00Z" + "&to=2100-01-01T00:00:00Z")
    assert "data-own-range" in text(chosen), "what is beyond its ends is cut off"
    assert "data-own-range" in text(client.get("/queues"))
    assert "data-own-range" not in text(client.get("/queues?range=6h"))
    assert "data-own-range" not in text(client.get("/streams"))
