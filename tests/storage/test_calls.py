"""Which calls are run as one."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb.core.errors import BrokerError, NotFound
from brokerweb.storage import calls
from brokerweb.storage.calls import FREE, Call, Place, units
from tests.storage.desk import Desk, put, stored

A, B = "lane a", "lane b"


def call(name: str, place: Place | None) -> Call:
    return Call(lambda *args: None, (name,), {}, lambda _: None, place)


def run_as(*given: tuple[str, Place | None]) -> list[str]:
    """The calls' names, a word for each unit."""
    return ["".join(call.args[0] for call in unit) for unit in units([call(name, place) for name, place in given])]


def test_calls_with_one_key_join_the_first_of_them():
    assert run_as(("a", Place(A, "k")), ("b", Place(B, "l")), ("c", Place(FREE, "k")), ("d", Place(FREE, "l"))) == ["ac", "bd"]


def test_no_call_passes_another_of_its_lane():
    given = [("a", Place(A, "k")), ("b", Place(A, "l")), ("c", Place(A, "k")), ("d", Place(B, "k")), ("e", Place(B, "l"))]
    assert run_as(*given) == ["a", "b", "cd", "e"]


def test_a_call_without_a_key_keeps_its_lane_in_order():
    assert run_as(("a", Place(A, "k")), ("b", Place(A)), ("c", Place(A, "k")), ("d", Place(B, "k"))) == ["a", "b", "cd"]


def test_what_has_no_place_is_passed_by_nothing():
    assert run_as(("a", Place(A, "k")), ("b", None), ("c", Place(B, "k")), ("d", Place(FREE, "k"))) == ["a", "b", "cd"]


def test_units_are_bounded_in_messages_and_bytes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(calls, "MOST", 3)
    assert run_as(*((name, Place(FREE, "k", messages=2)) for name in "ab")) == ["a", "b"]
    assert run_as(*((name, Place(FREE, "k")) for name in "abcde")) == ["abc", "de"]
    monkeypatch.setattr(calls, "MOST_COST", calls.CALL_COST * 2)
    assert run_as(*((name, Place(FREE, "k")) for name in "abcde")) == ["ab", "cd", "e"]


def ordered(*given: tuple[str, Place | None]) -> str:
    """The calls' names in the order of what they are about: the first character; a hyphen is nothing."""
    found = units([call(name, place) for name, place in given])
    about = lambda call: None if call.args[0][0] == "-" else int(c) if (c := call.args[0][0]).isdigit() else c
    return " ".join(unit[0].args[0] for unit in calls.in_order(found, about))


def test_units_are_in_the_order_of_what_they_are_about_and_what_is_about_nothing_is_last():
    given = ("b1", "-2", "23", "a4", "15", "-6", "b7", "a8")
    assert ordered(*((name, None) for name in given)) == "15 23 a4 a8 b1 b7 -2 -6"


def test_calls_of_one_lane_keep_their_order_whatever_they_are_about():
    given = [("c1", Place(A)), ("a2", Place(A)), ("b3", Place(B)), ("b4", Place(A)), ("a5", Place(B)), ("a6", Place(FREE))]
    assert ordered(*given) == "a6 b3 a5 c1 a2 b4"


def put_each(tx: Any, kind: str, groups: list[list[str]]) -> list[str | BrokerError]:
    """Each group by itself; where it has a bad name, none of it."""
    return [NotFound(kind) if "bad" in group else ",".join(put(tx, name) for name in group) for group in groups]


def test_each_call_has_its_own_answers(desk: Desk):
    go_on = desk.hold()
    three_calls = ([["a"], ["b", "c"]], [["bad", "d"]], [["e"]])
    handed = [desk.hand_in(put_each, "k", place=Place(FREE, "k", groups)) for groups in three_calls]
    go_on()
    one, two, three = (desk.answered(call) for call in handed)
    assert one.result == ["a", "b,c"]
    assert [type(answer) for answer in two.result] == [NotFound]
    assert three.result == ["e"]
    assert stored() == ["a", "b", "c", "e"]


def test_a_unit_that_fails_falls_apart_into_its_calls(desk: Desk):
    def put_or_break(tx: Any, groups: list[list[str]]) -> list[str | BrokerError]:
        answers = put_each(tx, "k", groups)
        if ["break"] in groups:
            raise ZeroDivisionError
        return answers

    go_on = desk.hold()
    handed = [desk.hand_in(put_or_break, place=Place(FREE, "k", [[name]])) for name in ("a", "break", "b")]
    go_on()
    one, two, three = (desk.answered(call) for call in handed)
    assert (one.result, three.result) == (["a"], ["b"])
    assert two.error is not None
    assert stored() == ["a", "b"]
