"""Lists in memory: sorted, filtered and paged; forwards and backwards the same rows, none of them twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.console import headings
from brokerweb.console.listing import KNOWN, Asked, Beyond, Column, Listing, arranged, everything, page, shown
from brokerweb.console.prefixes import branches, grouped
from brokerweb.core.errors import Invalid
from brokerweb.identity.principal import broker_itself


@dataclass(frozen=True)
class Row:
    name: str
    ready: int | None = 0
    since: datetime | None = None


ROWS: list[Row] = []


def some(principal: object, asked: Asked, beyond: Beyond) -> Sequence[Row]:
    rows = sorted(ROWS, key=lambda row: int(row.name), reverse=not beyond.upwards)
    if beyond.id is not None:
        at = beyond.id
        rows = [row for row in rows if (int(row.name) > at if beyond.upwards else int(row.name) < at)]
    return rows[: beyond.limit]


LISTING = Listing[Row](
    "rows-of-tests",
    [
        Column("name", "Name", lambda row: row.name, fixed=True),
        Column("ready", "Ready", lambda row: row.ready, style="n", live=True, summed=sum, looks="{:,}".format),
        Column("since", "Since", lambda row: row.since, usual=False),
        Column("lately", "Lately", lambda row: None, sortable=False),
    ],
    identity=lambda row: row.name,
    rows=lambda principal, asked: ROWS,
    suits=lambda row, asked: not asked.full or bool(row.ready),
    sort="name",
    filters=("show",),
    parted=True,
)
NUMBERED = replace(LISTING, name="numbered-rows-of-tests", sort="-name", by_id="name", some=some)
FOUND = replace(LISTING, name="found-rows-of-tests", sort="", as_found=True)
WITHIN = replace(FOUND, name="rows-of-a-page-of-tests", within=True)
for _listing in (LISTING, NUMBERED, FOUND, WITHIN):
    del KNOWN[_listing.name]  # it is no page of the console


def asked(of: Listing[Row] = LISTING, **query: str) -> Asked:
    return Asked.from_query(of, query)


def also(query: dict[str, str], **more: str) -> Asked:
    return Asked.from_query(LISTING, query | more)


def follow(wanted: Asked, query: str | None) -> Asked:
    assert query is not None
    return Asked.from_query(wanted.listing, dict(parse_qsl(query)))


ALIKE = st.lists(
    st.builds(Row, st.text("ab.", min_size=1, max_size=6), st.none() | st.integers(0, 2)), unique_by=lambda row: row.name
)


@given(
    ALIKE, st.sampled_from(["name", "-name", "ready", "-ready", "ready,-name", "-ready,-name", "-since,ready"]), st.integers(1, 4)
)
def test_pages_forward_and_back_show_the_same_rows(rows: list[Row], sort: str, limit: int):
    wanted = asked(sort=sort)
    pages = [page(rows, wanted, limit)]
    while pages[-1].next:
        wanted = follow(wanted, pages[-1].next)
        pages.append(page(rows, wanted, limit))
    assert [row for each in pages for row in each.rows] == arranged(rows, asked(sort=sort))
    for earlier, later in zip(pages[-2::-1], pages[:0:-1], strict=True):
        back = page(rows, follow(wanted, later.previous), limit)
        assert (back.rows, back.previous is None, back.next is not None) == (earlier.rows, earlier.previous is None, True)
    assert pages[0].previous is None


@given(st.lists(st.integers(1, 10**6), unique=True, max_size=260), st.sampled_from(["name", "-name"]))
def test_a_list_that_is_read_by_its_ids_is_paged_alike(ids: list[int], sort: str):
    ROWS[:] = [Row(str(number)) for number in ids]
    wanted = asked(NUMBERED, sort=sort)
    pages = [shown(broker_itself(), wanted)]
    while pages[-1].next:
        pages.append(shown(broker_itself(), follow(wanted, pages[-1].next)))
    seen = [int(row.name) for each in pages for row in each.rows]
    assert seen == sorted(ids, reverse=sort == "-name") == [int(row.name) for row in everything(broker_itself(), wanted)]
    for earlier, later in zip(pages[-2::-1], pages[:0:-1], strict=True):
        assert shown(broker_itself(), follow(wanted, later.previous)).rows == earlier.rows
    assert pages[0].previous is None


def test_what_is_not_known_is_last_either_way():
    rows = [Row("a", None), Row("b", 1), Row("c", 2), Row("d", None)]
    assert [row.name for row in arranged(rows, asked(sort="ready"))] == ["b", "c", "a", "d"]
    assert [row.name for row in arranged(rows, asked(sort="-ready"))] == ["c", "b", "a", "d"]


def test_instants_are_sorted_and_stand_in_cursors():
    rows = [Row(str(n), since=datetime(2026, 11, 30, 9, n, tzinfo=UTC)) for n in range(5)]
    first = page(rows, asked(sort="-since"), 2)
    assert [row.name for row in first.rows] == ["4", "3"]
    assert [row.name for row in page(rows, follow(first.asked, first.next), 2).rows] == ["2", "1"]


def test_behind_the_last_row_that_is_gone_the_last_page_is_shown():
    rows = [Row(name) for name in "abcdef"]
    first = page(rows, asked(), 3)
    assert [row.name for row in page(rows[:3], follow(first.asked, first.next), 3).rows] == ["a", "b", "c"]


@pytest.mark.parametrize("query", [{"sort": "ready"}, {"q": "x"}, {"full": "1"}, {"show": "dead"}, {"prefix": "a"}])
def test_a_cursor_of_another_list_is_refused(query: dict[str, str]):
    rows = [Row(name) for name in "abc"]
    cursor = dict(parse_qsl(page(rows, asked(), 1).next or ""))["after"]
    with pytest.raises(Invalid):
        page(rows, also(query, after=cursor), 1)
    with pytest.raises(Invalid):
        page(rows, asked(after="nonsense"), 1)
    with pytest.raises(Invalid):
        page(rows, asked(before=asked().cursor((7, (7, "x")))), 1)  # a number is no name


@given(ALIKE, st.integers(1, 4))
def test_rows_that_nobody_sorted_are_paged_as_they_were_found(rows: list[Row], limit: int):
    wanted = asked(FOUND)
    pages = [page(rows, wanted, limit)]
    while pages[-1].next:
        wanted = follow(wanted, pages[-1].next)
        pages.append(page(rows, wanted, limit))
    assert [row for each in pages for row in each.rows] == rows
    for earlier, later in zip(pages[-2::-1], pages[:0:-1], strict=True):
        assert page(rows, follow(wanted, later.previous), limit).rows == earlier.rows
    assert [heading.direction for heading in headings.of(asked(FOUND))] == [""] * 3
    assert arranged(rows, asked(FOUND, sort="name")) == sorted(rows, key=lambda row: row.name)


def test_a_heading_of_a_page_by_itself_keeps_the_place_and_says_what_it_sorts():
    name, ready, _ = headings.of(asked(WITHIN, after="there", q="a"))
    assert dict(parse_qsl(ready.query)) == {"q": "a", "after": "there", "sort": "-ready"}
    assert (name.reach, headings.of(asked(FOUND))[0].reach) == ("Sorts the rows of this page", "")
    newest = replace(NUMBERED, name="newest-of-tests", newest=1_000)
    del KNOWN[newest.name]
    assert [heading.reach for heading in headings.of(asked(newest))[:2]] == ["", "Sorts the newest 1,000"]


# By several columns


def test_rows_of_one_value_are_sorted_by_the_next_column():
    rows = [Row("a", 1), Row("b", 2), Row("c", 1), Row("d", None), Row("e", 2), Row("f", None)]
    assert [row.name for row in arranged(rows, asked(sort="-ready,-name"))] == ["e", "b", "c", "a", "f", "d"]
    assert [row.name for row in arranged(rows, asked(sort="ready,-name"))] == ["c", "a", "e", "b", "f", "d"]
    assert [row.name for row in arranged(rows, asked(sort="-since,-ready,name"))] == ["b", "e", "a", "c", "d", "f"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("-ready,name", "-ready,name"),
        (" -ready , nonsense,,-lately,ready,since", "-ready,since"),
        ("ready,since,name,-name,ready", "ready,since,name"),
        ("nonsense", None),
    ],
)
def test_of_the_columns_in_an_address_each_that_is_one_counts_once(given: str, kept: str | None):
    assert asked(sort=given).given.get("sort") == kept


def test_behind_ids_nothing_is_sorted():
    assert asked(NUMBERED, sort="-name,ready").given["sort"] == "-name"
    assert asked(NUMBERED, sort="ready,-name,since").given["sort"] == "ready,-name"
    assert (asked(NUMBERED, sort="-name,ready").by_id, asked(NUMBERED, sort="ready,name").by_id) == (True, False)


def also_of(wanted: Asked) -> list[str]:
    return [dict(parse_qsl(heading.also)).get("sort", "") for heading in headings.of(wanted)]


def test_headings_say_their_place_in_the_order_and_where_shift_leads():
    name, ready, *_ = headings.of(asked(sort="-ready,name"))
    assert (ready.direction, ready.rank, name.direction, name.rank) == ("descending", "1, descending", "", "2, ascending")
    assert dict(parse_qsl(name.query)) == {"sort": "name"}, "a click alone sorts by that alone"
    assert also_of(asked(sort="-ready,name")) == ["-ready,-name", "ready,name", ""]
    assert also_of(asked(sort="-ready")) == ["-ready,name", "ready", ""]
    assert also_of(asked()) == ["-name", "-ready", ""], "no two rows have the same name"
    assert also_of(asked(sort="name")) == ["-name", "name,-ready", ""], "unless somebody wants that"
    assert also_of(asked(NUMBERED)) == ["name", "-ready", ""], "nor the same id"
    assert also_of(asked(FOUND)) == ["name", "-ready", ""]
    three = asked(sort="since,ready,name", columns="name.ready.since")
    assert [heading.rank[0] for heading in headings.of(three)] == ["3", "2", "1"]
    assert headings.of(asked(sort="ready"))[1].rank == ""


def test_a_list_holds_still_where_any_of_its_columns_changes_and_shows_all_of_them():
    assert asked(sort="name,ready").moves
    assert not asked(sort="since,name").moves
    assert [column.key for column in asked(sort="ready,since", columns="name").columns] == ["name", "ready", "since"]


# While it is looked at


def test_a_refresh_keeps_the_rows_and_says_that_their_order_has_changed():
    rows = [Row("a", 3), Row("b", 2), Row("c", 1)]
    first = page(rows, asked(sort="-ready"), 2)
    same = page(rows, follow(first.asked, first.poll), 2)
    assert (same.rows, same.moved) == (first.rows, False)
    later = [Row("a", 0), Row("b", 5), Row("c", 9)]
    held = page(later, follow(first.asked, first.poll), 2)
    assert ([row.name for row in held.rows], held.moved) == (["a", "b"], True)
    assert [row.ready for row in held.rows] == [0, 5], "figures are new"
    again = page(later, follow(first.asked, held.asked.again), 2)
    assert ([row.name for row in again.rows], again.moved) == (["c", "b"], False)


def test_a_row_that_is_empty_by_now_stays_and_one_that_is_gone_goes():
    first = page([Row("a", 3), Row("b", 2)], asked(sort="-ready", full="1"))
    held = page([Row("a", 0), Row("c", 9)], follow(first.asked, first.poll))
    assert ([row.name for row in held.rows], held.moved) == (["a"], True)


def test_by_a_name_a_refresh_needs_no_help():
    assert page([Row("a")], asked()).poll == ""


# Columns


def test_columns_are_chosen_in_the_address_or_remembered():
    assert [column.key for column in asked().columns] == ["name", "ready", "lately"]
    remembered = Asked.from_query(LISTING, {}, remembered="since")
    assert [column.key for column in remembered.columns] == ["name", "since"]
    told = Asked.from_query(LISTING, {"columns": "lately.nonsense"}, remembered="since")
    assert [column.key for column in told.columns] == ["name", "lately"]
    assert [column.key for column in asked(columns="lately", sort="-ready").columns] == ["name", "ready", "lately"]


def test_a_heading_sorts_and_a_second_click_turns():
    name, ready, lately = headings.of(asked(sort="-ready", q="a", after="x"))
    assert (ready.direction, dict(parse_qsl(ready.query))) == ("descending", {"sort": "ready", "q": "a"})
    assert (name.direction, dict(parse_qsl(name.query))["sort"]) == ("", "name")
    assert lately.query == ""
    assert dict(parse_qsl(headings.of(asked())[1].query)) == {"sort": "-ready"}, "numbers begin with the highest"


def test_what_makes_no_sense_is_left_out():
    wanted = asked(sort="-lately", nonsense="1", tree="1", q="  a\0 ")
    assert dict(wanted.given) == {"tree": "1", "q": "a"}


# By the parts of names


def test_names_are_grouped_by_their_next_part_with_sums():
    rows = [Row("a.b.c", 1), Row("a.b.d", 2), Row("a.e", 4), Row("alone", 8), Row("z.only", 16)]
    wanted = asked(tree="1", sort="-ready")
    found = page(branches(rows, wanted), grouped(wanted))
    assert [(branch.name, branch.number, branch.figures["ready"]) for branch in found.rows] == [
        ("z.only", 1, 16),
        ("alone", 1, 8),
        ("a.", 3, 7),
    ]
    below = asked(tree="1", prefix="a.")
    assert [(b.name, b.number) for b in page(branches(rows[:3], below), grouped(below)).rows] == [("a.b.", 2), ("a.e", 1)]
    assert below.way == [("a", "prefix=a.&tree=1")]


@given(ALIKE)
def test_sums_of_branches_are_those_of_their_rows(rows: list[Row]):
    found = branches(rows, asked(tree="1"))
    assert sum(branch.number for branch in found) == len(rows)
    assert sum(branch.figures["ready"] or 0 for branch in found) == sum(row.ready or 0 for row in rows)  # type: ignore[misc]  # figures of a branch may be none
