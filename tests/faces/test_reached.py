"""The text of a reader's position: whole, short, and robust against what nobody was told."""

from __future__ import annotations

import base64
import random
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.core.errors import Invalid
from brokerweb.faces.codec.reached import MAX_PARTITIONS, PLAIN, Reached, is_position, parse
from brokerweb.streams.models import MAX_OFFSET

HEADER = 8 * 1024 - len("Last-Event-ID: \r\n")  # what proxies let through, as they come
NUMBERS, OFFSETS = st.integers(0, MAX_PARTITIONS - 1), st.integers(0, MAX_OFFSET)
MANY = st.builds(lambda n, offset: dict.fromkeys(range(n), offset), st.integers(PLAIN - 2, PLAIN + 70), OFFSETS)
PLACES = st.one_of(st.dictionaries(NUMBERS, OFFSETS, min_size=1), MANY)
STEPS = st.lists(st.tuples(st.one_of(st.integers(0, 99), NUMBERS), OFFSETS), max_size=60)


def said(reached: Reached) -> dict[int, int]:
    text = reached.text().decode()
    assert is_position(text)
    return parse(text, "/from")


@given(PLACES, STEPS)
def test_a_position_says_every_place_at_every_step(places: dict[int, int], steps: list[tuple[int, int]]) -> None:
    reached = Reached(places)
    assert said(reached) == places
    for number, offset in steps:
        before, after = reached.around(number)
        places[number] = offset
        assert parse((before + b"%d-%d" % (number, offset) + after).decode(), "/from") == places
        reached.reach(number, offset)
        assert said(reached) == places


def test_few_partitions_are_said_one_by_one() -> None:
    assert Reached({1: 5, 0: 18}).text() == b"0-18,1-5"
    assert Reached(dict.fromkeys(range(PLAIN), MAX_OFFSET)).text().count(b",") == PLAIN - 1
    assert len(Reached(dict.fromkeys(range(PLAIN), MAX_OFFSET)).text()) < 1024


SPREADS: list[tuple[str, Callable[[random.Random, int], int], int]] = [
    ("all at their start", lambda dice, n: 0, 100),
    ("as keys make them", lambda dice, n: 1_000_000_000 + round(dice.gauss(0, 30_000)), 3_500),
    ("a thousand million records, somehow", lambda dice, n: round(dice.expovariate(1e-6)), 4_096),
    ("a few full ones among empty ones", lambda dice, n: dice.randrange(MAX_OFFSET) if n % 10 == 0 else 0, 2_000),
    ("anything", lambda dice, n: dice.randrange(MAX_OFFSET), HEADER),
]


@pytest.mark.parametrize(("offset", "most"), [spread[1:] for spread in SPREADS], ids=[spread[0] for spread in SPREADS])
def test_a_thousand_partitions_fit_into_a_header_at_every_step(offset: Callable[[random.Random, int], int], most: int) -> None:
    dice = random.Random(1)
    reached = Reached({n: offset(dice, n) for n in range(MAX_PARTITIONS)})
    assert len(reached.text()) <= most
    for _ in range(100):
        number = dice.randrange(MAX_PARTITIONS)
        before, after = reached.around(number)
        assert len(before + b"999-%d" % MAX_OFFSET + after) <= most + 400
        assert len(before + after) <= HEADER
        reached.reach(number, reached.places[number] + 1)


def packed(content: bytes) -> str:
    return "z" + base64.urlsafe_b64encode(zlib.compress(content)).decode().rstrip("=")


def head(n: int, lowest: int) -> bytes:
    return struct.pack("<HQ", n, lowest)


MADE_UP = {
    "empty": "",
    "no number": "0-x",
    "a letter alone": "z",
    "not deflated": "zAAAA",
    "an odd length of Base64": "zAAAAA",
    "no head": packed(b"123"),
    "no places": packed(head(0, 0)),
    "fewer places than it says": packed(head(2, 0) + bytes(8)),
    "more places than it says": packed(head(1, 0) + bytes(16)),
    "an offset that no record has": packed(head(1, MAX_OFFSET + 2) + bytes(8)),
    "offsets beyond 64 bits": packed(head(1, 2**64 - 1) + b"\xff" * 8),
    "more partitions than there can be": packed(head(MAX_PARTITIONS + 1, 0) + bytes(8 * (MAX_PARTITIONS + 1))),
    "what unpacks to very much": packed(bytes(5_000_000)),
    "something behind it": packed(head(1, 1) + bytes(8)) + "AAAA",
    "too long": ",".join(f"{n % 1000}-1" for n in range(9_000)),
    "the place behind it without a comma": packed(head(1, 1) + bytes(8)) + "0-1",
    "other digits": "٣-١",
    "a partition twice": "0-1,1-5,0-2",
}


@pytest.mark.parametrize("text", MADE_UP.values(), ids=MADE_UP)
def test_a_made_up_position_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text, "/Last-Event-ID")
    assert refused.value.extra["errors"][0]["pointer"] == "/Last-Event-ID"


def test_what_was_cut_off_or_changed_on_its_way_is_refused() -> None:
    places = {n: n * 1_000 for n in range(200)}
    text = Reached(places).text().decode()
    for cut in range(1, len(text) - 1):
        with pytest.raises(Invalid):
            parse(text[:cut], "/from")
    for place in range(1, len(text) - 1):
        other = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with suppress(Invalid):
            assert parse(other, "/from") == places  # the few bits that deflate does not use
