"""Lists: which columns each has, how it is filtered, sorted and paged, all of it from its address.

A list is declared once, as a ``Listing`` called ``LISTING`` in its noun's ``listing.py``:

    LISTING = Listing(
        "queues",                                   # the name of its URL
        [
            Column("name", "Queue", lambda row: row.name, fixed=True),
            Column("ready", "Ready", lambda row: row.counts["ready"], style="n", live=True, summed=sum),
        ],
        identity=lambda row: str(row.pk),
        rows=reading.candidates,                    # (principal, asked) -> all that the person may see, by name or id
        suits=reading.suits,                        # (row, asked) -> whether a filter by how it is takes it
        sort="name",                                # until somebody sorts; "-ready,name" has the highest first, those by name
    )

Pages show what ``page`` makes of it. Whoever needs all of it asks ``everything(principal, asked)`` for the rows in their order,
and ``asked.columns`` for the columns that are shown, or ``listing.columns`` for all; ``column.value(row)`` is plain: text, a
number, an instant, or None for what is not known.

Rows are sorted in memory. That is bounded where they are names with counters, of which there are thousands. Where there may be
more, ``some`` reads a page of them by their ids, newest or oldest first, and ``rows`` stops at ``newest``: by other columns those
are sorted. Where a page is found in a way of its own (a search), the rows that are on it are: ``within``. Headings say so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

from brokerweb.console.order import MOST, Keys, Place, Value, is_behind, parsed, placed, plain, written
from brokerweb.core.cursors import MAX_ID, digest, seal, unseal
from brokerweb.core.errors import Invalid
from brokerweb.identity.principal import Principal

R = TypeVar("R")
PAGE, CHUNK = 50, 500  # rows
LONGEST = {
    "shown": 12_000,
    "after": 2_000,
    "before": 2_000,
    "q": 2_000,
    "in": 2_000,
}  # characters of a parameter; 400 of any other
COMMON = ("q", "prefix", "full", "tree", "sort", "columns", "range")
PLACE = ("after", "before", "shown")  # which part of a list is seen


def _any(row: Any, asked: Asked) -> bool:
    return True


def _none(principal: Principal, asked: Asked) -> list[Any]:
    return []


@dataclass(frozen=True)
class Column(Generic[R]):
    """One column. ``value`` is what it is sorted by and exported as; how a cell looks is the template's."""

    key: str
    label: str
    value: Callable[[R], Value]
    _: KW_ONLY
    style: str = ""  # classes of its heading and cells: "n" is a number
    sortable: bool = True
    live: bool = False  # it changes by itself: rows that are sorted by it stay where they are until somebody sorts again
    fixed: bool = False  # it cannot be left out
    zoned: bool = False  # its instants are printed in the person's zone, which its heading names
    usual: bool = True  # it is shown until somebody chooses others
    summed: Callable[[Iterable[Any]], Any] | None = None  # how the rows below a prefix are put together: sum, or max
    looks: Callable[[Any], object] = str  # how that is written

    @property
    def descends(self) -> bool:
        """Whether who sorts by it wants the highest first."""
        return "n" in self.style.split()


@dataclass(frozen=True)
class Listing(Generic[R]):
    """A list. The first column names a row to people, ``identity`` names it in addresses."""

    name: str
    columns: Sequence[Column[R]]
    _: KW_ONLY
    identity: Callable[[R], str]
    rows: Callable[[Principal, Asked], Iterable[R]] = _none
    suits: Callable[[R, Asked], bool] = _any
    sort: str = ""
    filters: tuple[str, ...] = ()  # parameters of its own
    parted: bool = False  # the first column is a dotted name: rows can be grouped by its parts
    by_id: str = ""  # the column whose order is that of ids
    some: Callable[[Principal, Asked, Beyond], Sequence[R]] | None = None  # the next rows in that order
    newest: int | None = None  # how many ``rows`` gives at most
    as_found: bool = False  # until somebody sorts them, rows stand as ``rows`` gives them
    within: bool = False  # a page is read by cursors of its own, and its rows alone are sorted

    def __post_init__(self) -> None:
        KNOWN.setdefault(self.name, self)  # not what is made of one

    def order(self, text: str) -> list[tuple[Column[R], bool]]:
        """The columns that ``-ready,name`` sorts by, and whether the highest come first; what no column is is left out.

        Ids are read a page at a time, and no two are the same: behind one nothing is.
        """
        sortable = {column.key: column for column in self.columns if column.sortable}
        found = [(sortable[key], down) for key, down in parsed(text) if key in sortable][:MOST]
        ids = next((n for n, (column, _) in enumerate(found) if column.key == self.by_id), MOST)
        return found[: ids + 1]


KNOWN: dict[str, Listing[Any]] = {}  # every list, by the name of its URL


class Beyond(NamedTuple):
    """Rows behind an id, or from the end on, upwards or downwards, and how many."""

    id: int | None
    upwards: bool
    limit: int


class Choice(NamedTuple):
    """A column to choose."""

    key: str
    label: str
    chosen: bool


@dataclass(frozen=True)
class Asked:
    """What a list is asked for. ``of`` is the thing that it is a list of, where its page is one of a thing's pages."""

    listing: Listing[Any]
    given: Mapping[str, str] = field(default_factory=dict)
    of: str = ""
    remembered: str = ""  # columns that the person chose before

    @classmethod
    def from_query(cls, listing: Listing[Any], query: Mapping[str, str], of: str = "", *, remembered: str = "") -> Asked:
        """What of a query the list knows."""
        given = {name: _clean(name, query.get(name, "")) for name in (*COMMON, *listing.filters, *PLACE)}
        given["sort"] = written([(column.key, down) for column, down in listing.order(given["sort"])])
        if not listing.parted:
            given["tree"] = ""
        return cls(listing, {name: text for name, text in given.items() if text}, of, remembered)

    def get(self, name: str) -> str:
        """What a parameter says; nothing where it is not given."""
        return self.given.get(name, "")

    # As templates ask

    @property
    def q(self) -> str:
        return self.get("q")

    @property
    def prefix(self) -> str:
        return self.get("prefix")

    @property
    def range(self) -> str:
        return self.get("range")

    @property
    def after(self) -> str:
        return self.get("after")

    @property
    def before(self) -> str:
        return self.get("before")

    @property
    def full(self) -> bool:
        """Whether what is empty is left out."""
        return bool(self.get("full"))

    @property
    def tree(self) -> bool:
        """Whether rows are grouped by the parts of their names."""
        return bool(self.get("tree"))

    @property
    def active(self) -> bool:
        """Whether it is a part of the list that is asked for."""
        return any(self.get(name) for name in ("q", "prefix", "full", *self.listing.filters))

    @property
    def first_page(self) -> str:
        return self.query()

    @property
    def again(self) -> str:
        """The same part of the list, sorted anew."""
        return urlencode({name: text for name, text in self.given.items() if name != "shown"})

    @property
    def unchosen(self) -> str:
        """The same with the columns that are remembered."""
        return self.query(columns="")

    @property
    def all_prefixes(self) -> str:
        return self.query(prefix="")

    @property
    def cleared(self) -> str:
        """The whole list, sorted and shown as this part of it."""
        return self.query(q="", prefix="", full="", **dict.fromkeys(self.listing.filters, ""))

    @property
    def clear_link(self) -> str:
        """Where it leads; nowhere from the whole list."""
        return f"?{self.cleared or 'view='}" if self.active else ""

    @property
    def flat(self) -> str:
        return self.query(tree="")

    @property
    def grouped(self) -> str:
        return self.query(tree="1")

    def within(self, prefix: str) -> str:
        return self.query(prefix=prefix)

    @property
    def way(self) -> list[tuple[str, str]]:
        """The parts of the prefix, and the query of each."""
        parts = self.prefix.split(".")
        ends = (".".join(parts[: n + 1]) + "." for n in range(len(parts) - 1))
        return [(part, self.within(end)) for part, end in zip(parts, ends, strict=False)]

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """What a form of filters sends along besides its own fields."""
        return [(name, text) for name, text in self.given.items() if name in {"tree", "sort", "columns", "range"}]

    def query(self, **changes: str) -> str:
        """The query with these parameters changed, of its first page."""
        kept = {name: text for name, text in self.given.items() if name not in PLACE}
        return urlencode({name: text for name, text in (kept | changes).items() if text})

    # Columns

    @cached_property
    def order(self) -> list[tuple[Column[Any], bool]]:
        """The columns that rows are sorted by, one after the other, and whether the highest come first."""
        return self.listing.order(self.get("sort") or self.listing.sort) or [(self.listing.columns[0], False)]

    @property
    def sorted_by(self) -> tuple[Column[Any], bool]:
        """The first of them."""
        return self.order[0]

    @property
    def downwards(self) -> list[bool]:
        return [down for _, down in self.order]

    @property
    def natural(self) -> bool:
        """Whether rows stand as they were found."""
        return self.listing.as_found and not self.get("sort")

    @property
    def moves(self) -> bool:
        """Whether rows stand in an order that changes by itself, and hold still in it."""
        return any(column.live for column, _ in self.order) and not self.natural

    @property
    def by_id(self) -> bool:
        """Whether a page is read by ids: all there is can be reached so."""
        return self.listing.some is not None and self.sorted_by[0].key == self.listing.by_id

    @cached_property
    def shows(self) -> frozenset[str]:
        """The keys of the columns that are shown: chosen in the address, or before, or those that usually are."""
        keys = {column.key for column in self.listing.columns}
        chosen = keys.intersection((self.get("columns") or self.remembered).split("."))
        usual = {column.key for column in self.listing.columns if column.usual}
        fixed = {column.key for column in self.listing.columns if column.fixed}
        return frozenset((chosen or usual) | fixed | {column.key for column, _ in self.order})

    @property
    def columns(self) -> list[Column[Any]]:
        return [column for column in self.listing.columns if column.key in self.shows]

    def sorted_as(self, keys: Keys) -> str:
        """The query of the same list in another order: of its first page, unless rows are sorted within theirs."""
        sort = written(keys)
        return urlencode({**self.given, "sort": sort}) if self.listing.within else self.query(sort=sort)

    @property
    def choices(self) -> list[Choice]:
        """The columns that may be left out."""
        return [Choice(c.key, c.label, c.key in self.shows) for c in self.listing.columns if not c.fixed]

    # Places

    @property
    def _digest(self) -> bytes:
        of = {name: text for name, text in self.given.items() if name not in {*PLACE, "columns", "range"}}
        return digest(self.listing.name, self.of, sorted(of.items()))

    def cursor(self, place: Place) -> str:
        return seal(self._digest, json.dumps(place))

    def place(self, cursor: str) -> Place:
        """Where a cursor points. Raises Invalid."""
        try:
            value, (name, identity) = json.loads(unseal(cursor, self._digest))
        except (ValueError, TypeError):
            raise Invalid.at("/after", "is not a cursor") from None
        return value, (name, identity)


def _clean(name: str, text: str) -> str:
    return text.replace("\0", "").strip()[: LONGEST.get(name, 400)]


def _placed(rows: Iterable[R], asked: Asked) -> list[tuple[Place, R]]:
    """The rows in their order, each with its place."""
    listing, columns = asked.listing, [column.value for column, _ in asked.order]
    if asked.natural:
        return [(([n], ("", listing.identity(row))), row) for n, row in enumerate(rows)]
    name, identity = listing.columns[0].value, listing.identity
    places = ((([plain(value(row)) for value in columns], (plain(name(row)), identity(row))), row) for row in rows)
    return placed(places, asked.downwards)


def arranged(rows: Iterable[R], asked: Asked) -> list[R]:
    """The rows in the order that is asked for; those of the same values by name."""
    return [row for _, row in _placed(rows, asked)]


def everything(principal: Principal, asked: Asked) -> Iterator[Any]:
    """All rows that are asked for, in their order; of a list that is read by its ids, a part at a time."""
    listing = asked.listing
    if not asked.by_id or listing.some is None:
        yield from arranged((row for row in listing.rows(principal, asked) if listing.suits(row, asked)), asked)
        return
    last: int | None = None
    while part := listing.some(principal, asked, Beyond(last, not asked.sorted_by[1], CHUNK)):
        yield from part
        last = int(listing.identity(part[-1]))


@dataclass(frozen=True)
class Page(Generic[R]):
    """Some rows of a list. ``moved``: sorted anew they would be others, or stand in another order."""

    asked: Asked
    rows: list[R]
    total: int | None  # that match; None where they are not counted
    previous: str | None  # queries
    next: str | None
    moved: bool = False

    @property
    def poll(self) -> str:
        """The query by which a refresh gets the same rows in the same order; empty where it does without being told."""
        if not self.asked.moves or self.asked.tree:
            return ""
        here = {name: text for name, text in self.asked.given.items() if name != "shown"}
        return urlencode(here | {"shown": ",".join(map(self.asked.listing.identity, self.rows))})


def shown(principal: Principal, asked: Asked) -> Page[Any]:
    """The page that is asked for. Raises Invalid as ``page``."""
    if asked.by_id and asked.listing.some is not None:
        return _page_by_id(lambda beyond: asked.listing.some(principal, asked, beyond), asked)  # type: ignore[misc]  # it has some, as was asked
    return page(asked.listing.rows(principal, asked), asked)


def page(found: Iterable[R], asked: Asked, limit: int = PAGE) -> Page[R]:
    """The page that is asked for. Raises Invalid for a cursor of another list, or of this one sorted or filtered otherwise.

    A refresh names the rows that were ``shown``: it gets those that are still there, as they stood.
    """
    rows, suits = list(found), asked.listing.suits
    sorted_rows = _placed([row for row in rows if suits(row, asked)] if asked.active else rows, asked)
    start, end = _bounds(sorted_rows, asked, limit)
    part = sorted_rows[start:end]
    forth = asked.query(after=asked.cursor(part[-1][0])) if part and end < len(sorted_rows) else None
    back = asked.query(before=asked.cursor(part[0][0])) if part and start else None
    fresh = [row for _, row in part]
    kept = _kept(rows, asked)
    moved = kept is not None and list(map(asked.listing.identity, kept)) != list(map(asked.listing.identity, fresh))
    return Page(asked, fresh if kept is None else kept, len(sorted_rows), back, forth, moved)


def _bounds(rows: Sequence[tuple[Place, R]], asked: Asked, limit: int) -> tuple[int, int]:
    down = asked.downwards
    try:
        if before := asked.get("before"):
            at = asked.place(before)
            end = sum(is_behind(at, place, down) for place, _ in rows)
            return (end - limit, end) if end > limit else (0, limit)
        if after := asked.get("after"):
            at = asked.place(after)
            start = sum(not is_behind(place, at, down) for place, _ in rows)
            if start == len(rows):  # what stood there is gone
                start = max(0, start - limit)
            return start, start + limit
    except (TypeError, ValueError):  # no values of these columns
        raise Invalid.at("/after", "is not a cursor") from None
    return 0, limit


def _kept(rows: Iterable[R], asked: Asked) -> list[R] | None:
    if not asked.get("shown") or not asked.moves:
        return None
    there = {asked.listing.identity(row): row for row in rows}
    return [there[identity] for identity in asked.get("shown").split(",")[:PAGE] if identity in there]


def _page_by_id(some: Callable[[Beyond], Sequence[Any]], asked: Asked, limit: int = PAGE) -> Page[Any]:
    """A page of a list that is read by its ids."""
    upwards, before, after = not asked.sorted_by[1], asked.get("before"), asked.get("after")
    at = _id(asked, before or after) if before or after else None
    if before:
        found = list(some(Beyond(at, not upwards, limit + 1)))
        if len(found) > limit:
            rows = found[limit - 1 :: -1]
            return Page(asked, rows, None, _to(asked, "before", rows[0]), _to(asked, "after", rows[-1]))
        at = None  # there are no more than a page of them: it is the first
    found = list(some(Beyond(at, upwards, limit + 1)))
    rows = found[:limit]
    back = bool(rows) and at is not None and bool(some(Beyond(int(asked.listing.identity(rows[0])), not upwards, 1)))
    forth = len(found) > limit
    return Page(
        asked, rows, None, _to(asked, "before", rows[0]) if back else None, _to(asked, "after", rows[-1]) if forth else None
    )


def _to(asked: Asked, way: str, row: Any) -> str:
    identity = asked.listing.identity(row)
    return asked.query(**{way: asked.cursor((int(identity), ("", identity)))})


def _id(asked: Asked, cursor: str) -> int:
    value, _ = asked.place(cursor)
    if not isinstance(value, int) or not 0 <= value <= MAX_ID:
        raise Invalid.at("/after", "is not a cursor")
    return value


def holds(name: str, asked: Asked) -> bool:
    """Whether a name has the part, and the beginning, that is asked for: the part in whatever case, the beginning as it is."""
    part, prefix = asked.q, asked.prefix
    return (not part or part.lower() in name.lower()) and (not prefix or name.startswith(prefix))
