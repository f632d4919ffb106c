"""Named SQL. A file holds statements of one app, each under a line that names it, its parameters and its purpose:

    -- ack (id, queue, attempts, now): remove a leased message, if the lease is still this one

``:name`` is a parameter; calls pass the values in the heading's order. Three clauses are for one dialect alone, and left out for
the other: ``INDEXED BY`` for SQLite, and for PostgreSQL ``FOR UPDATE``, as SQLite has one writer and no locks of rows, and
``AND partition_id = :id >> 40``: there the key of records begins with the partition, which on SQLite is in the id alone.

A heading may end its name with ``@sqlite`` or ``@postgres`` where that does not make one text serve both; the reason follows in
a comment, as it does for one that needs no text for PostgreSQL.
"""

from __future__ import annotations

import re
from functools import cached_property
from importlib import resources

_HEADING = re.compile(r"^-- (?P<name>[a-z_]+)(?:@(?P<dialect>[a-z]+))? \((?P<params>[a-z_, ]*)\): (?P<purpose>.+)$", re.M)
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_INSERT = re.compile(r"(?P<head>INSERT .+ VALUES )(?P<row>\([^()]*\))")
_NUMBER = re.compile(r"\?(\d+)")
_OF_OTHERS = {
    "sqlite": re.compile(r" FOR UPDATE(?: OF \w+)?(?: SKIP LOCKED)?| AND (?:\w+\.)?partition_id = :\w+ >> 40"),
    "postgres": re.compile(r" INDEXED BY \w+"),
}
MAX_TEXTS = 100  # kept of one statement: which places are empty is up to its callers
DIALECTS = ("sqlite", "postgres")


class Statement:
    """One named statement: its text per dialect, with positional parameters."""

    __slots__ = ("_insert", "_repeated", "name", "params", "text")

    def __init__(self, name: str, params: tuple[str, ...]) -> None:
        self.name, self.params = name, params
        self.text: dict[str, str] = {}
        self._insert: re.Match[str] | None = None
        self._repeated: dict[tuple[int, tuple[int, ...], tuple[int, ...]], str] = {}

    def add(self, dialect: str | None, sql: str) -> None:
        unknown = set(_PARAMETER.findall(sql)) ^ set(self.params)
        if unknown:
            raise ValueError(f"statement {self.name}: heading and text disagree about {sorted(unknown)}")
        for each in [dialect] if dialect else DIALECTS:
            self.text[each] = self._positional(sql, each)
        self._insert = _INSERT.fullmatch(self.text.get("sqlite", ""))

    @property
    def repeats(self) -> bool:
        """Whether it is an INSERT whose row of VALUES can be repeated."""
        return self._insert is not None

    def repeated(self, n: int, empty: tuple[int, ...] = (), same: tuple[int, ...] = ()) -> str:
        """SQLite's text with ``n`` rows of VALUES: first the parameters at ``same`` places, which all rows share, then the
        others row by row; those at ``empty`` places are NULL in all.
        """
        text = self._repeated.get((n, empty, same))
        if text is None:
            if self._insert is None:
                raise ValueError(f"statement {self.name} has no row of VALUES to repeat")
            shared = {i + 1: f"?{k}" for k, i in enumerate(same, 1)} | {i + 1: "NULL" for i in empty}
            kept = [i + 1 for i in range(len(self.params)) if i + 1 not in shared]
            place = {number: k for k, number in enumerate(kept, len(same) + 1)}
            rows = (self._row(shared, place, k * len(kept)) for k in range(n))
            if len(self._repeated) >= MAX_TEXTS:
                self._repeated.clear()
            text = self._repeated[n, empty, same] = self._insert["head"] + ", ".join(rows)
        return text

    def _row(self, shared: dict[int, str], place: dict[int, int], offset: int) -> str:
        """One row of VALUES: what all rows share, and its own parameters at their ``place`` behind ``offset`` others."""

        def parameter(found: re.Match[str]) -> str:
            number = int(found[1])
            return shared.get(number) or f"?{place[number] + offset}"

        return _NUMBER.sub(parameter, self._insert["row"] if self._insert else "")

    def _positional(self, sql: str, dialect: str) -> str:
        number = {name: i + 1 for i, name in enumerate(self.params)}
        form = "?{}" if dialect == "sqlite" else "${}"
        return _PARAMETER.sub(lambda m: form.format(number[m.group(1)]), _OF_OTHERS[dialect].sub("", sql))


class Statements:
    """The statements of one file, as attributes; read at first use."""

    def __init__(self, package: str, file: str = "queries.sql") -> None:
        self._package, self._file = package, file

    @cached_property
    def _all(self) -> dict[str, Statement]:
        text = resources.files(self._package).joinpath(self._file).read_text(encoding="utf-8")
        found: dict[str, Statement] = {}
        headings = list(_HEADING.finditer(text))
        ends = [h.start() for h in headings[1:]] + [len(text)]
        for heading, end in zip(headings, ends, strict=True):
            params = tuple(p.strip() for p in heading["params"].split(",") if p.strip())
            statement = found.setdefault(heading["name"], Statement(heading["name"], params))
            statement.add(heading["dialect"], _bare(text[heading.end() : end]))
        return found

    def __getattr__(self, name: str) -> Statement:
        try:
            statement = self._all[name]
        except KeyError:
            raise AttributeError(f"{self._package}/{self._file} has no statement {name}") from None
        setattr(self, name, statement)
        return statement


def _bare(sql: str) -> str:
    lines = (line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return " ".join(" ".join(lines).split()).rstrip(";")
