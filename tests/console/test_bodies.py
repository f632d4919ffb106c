"""A body as text: laid out, as it came, or as bytes."""

from __future__ import annotations

import json

import pytest

from brokerweb.console.bodies import LONGEST_SHOWN, indent, show
from brokerweb.console.templatetags.brokerweb_console import expiry, rate, short, size, span
from brokerweb.core import clock


@pytest.mark.parametrize(
    "text", ['{"a":1}', "[]", "{}", '[{}, [], [[]], ""]', '{"a\\"b{":[1,{"c":"}],"}]}', "12", '"x"', "null", "[true, false]"]
)
def test_laying_out_changes_white_space_alone(text):
    laid_out = indent(text)
    assert laid_out is not None
    assert json.loads(laid_out) == json.loads(text)
    assert laid_out == json.dumps(json.loads(text), indent=2)


def test_numbers_and_repeated_names_stay_as_they_came():
    assert indent('{"n":12345678901234567890.10,"n":1e400}') == '{\n  "n": 12345678901234567890.10,\n  "n": 1e400\n}'


@pytest.mark.parametrize("text", ["{", "NaN", "[Infinity]", "<b>", "", "[" * 100_000, "{'a': 1}"])
def test_what_is_not_json_is_shown_as_it_is(text):
    assert indent(text) is None


def test_deep_nesting_is_not_laid_out_into_megabytes():
    assert show(("[" * 200 + "]" * 200).encode()).view == "pretty"
    assert len(show(("[" * 900 + "]" * 900).encode()).text) < 300_000
    assert show(("[" * 30_000 + "]" * 30_000).encode()).view == "raw"


def test_a_cut_inside_a_character_is_no_binary():
    body = ("ä" * LONGEST_SHOWN).encode()
    shown = show(b"x" + body)
    assert (shown.view, shown.cut) == ("raw", True)


def test_bytes_are_shown_as_hex():
    shown = show(bytes(range(40)) + b"\xff", "pretty")
    assert (shown.view, shown.note) == ("hex", "Not text, so shown as hex.")
    assert shown.text.splitlines()[2].startswith("000020  20 21 22 23 24 25 26 27  ff")


def test_control_characters_are_shown_not_obeyed():
    assert show(b"a\x00\x1b[31m\r\n\tb", "raw").text == "a␀␛[31m␍\n\tb"
    assert show("x\u202ey".encode(), "raw").text == "x\\u202ey"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0 s"),
        (0.25, "250 ms"),
        (1.16, "1.2 s"),
        (59, "59 s"),
        (90, "1 min"),
        (3_661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (86_460, "1 d"),
    ],
)
def test_durations_have_two_units_at_most(seconds, words):
    assert span(seconds) == words


def test_what_has_expired_does_not_look_like_what_will():
    now = clock.now()
    instants = [clock.to_datetime(now + clock.seconds(days * 86_400 + 60)) for days in (3, -3)]
    assert [expiry(instant) for instant in (None, *instants)] == ["never", "in 3 d", "expired 2 d 23 h ago"]


def test_numbers_for_narrow_places():
    assert [short(n) for n in (0, 999, 1_000, 12_345, 3_000_000)] == ["0", "999", "1k", "12k", "3M"]
    assert [size(n) for n in (None, 0, 1_023, 1_536, 5 * 1024 * 1024)] == ["–", "0 B", "1023 B", "1.5 KiB", "5 MiB"]
    assert [size(n) for n in (1_048_566, 1_020 * 1024**3)] == ["1,024 KiB", "1,020 GiB"]
    assert [str(rate(n)) for n in (9.94, 12.4, 1_234.5)] == ["9.9", "12", "1,234"]
