"""The copy itself: table after table in batches, each noted with its rows; then compared with what is read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, transaction

from brokerweb.moving import instants, keys, progress, rows, sequences, sides
from brokerweb.moving.addresses import Address
from brokerweb.moving.instants import Shift
from brokerweb.moving.progress import Noted
from brokerweb.moving.sides import TARGET, Refused
from brokerweb.moving.tables import Sum, Table, tables

EVERY = 5.0  # seconds between two words of one table

Tell = Callable[[str], None]


class Differs(Exception):
    """What is in the target is not what was read; the message names the table."""


@dataclass(frozen=True)
class Done:
    """What a copy has come to."""

    tables: int
    rows: int
    resumed: bool


def copy(source: Address, target: Address, tell: Tell) -> Done:
    """All of ``source`` is in ``target`` when this returns. Run again it goes on. Raises Refused, Differs."""
    if source.shown == target.shown:
        raise Refused("source and target are the same database")
    whole = tables()
    with sides.source(source, whole, tell) as theirs, sides.target(target, tell) as ours:
        resumed = progress.unfinished(ours)
        if resumed:
            _require_same(ours, source)
            tell(f"Going on with the copy of {source.shown} that began here")
        else:
            sides.require_empty(ours, target, whole)
            _begin(theirs, ours, source, whole)
        return _Copying(theirs, ours, tell).run(whole, resumed=resumed)


def _require_same(target: Any, source: Address) -> None:
    begun = progress.about(target)["source"]
    if begun != source.shown:
        raise Refused(f"the target holds a part of {begun}: go on with that, or copy into a new database")


def _begin(source: Any, target: Any, address: Address, whole: list[Table]) -> None:
    shift = instants.between(source, target)
    with transaction.atomic(using=TARGET):
        sides.empty_generated(target, whole)
        instants.begin(target)
        progress.begin(target, {"source": address.shown, "shift": shift.noted()})


class _Copying:
    """One run."""

    def __init__(self, source: Any, target: Any, tell: Tell) -> None:
        self.source, self.target, self.tell = source, target, tell
        self.shift = Shift(**progress.about(target)["shift"])
        self.noted = progress.noted(target)

    def run(self, whole: list[Table], *, resumed: bool) -> Done:
        for table in whole:
            self.noted.setdefault(table.name, Noted())
            self._copy(table)
        for table in whole:
            if table.counted:
                sequences.go_on(self.source, self.target, table)
        for table in whole:
            self._compare(table)
        with transaction.atomic(using=TARGET):
            keys.carry(self.source, self.target)
            progress.end(self.target)
        if self.target.vendor == "postgresql":
            with self.target.cursor() as cursor:
                cursor.execute("ANALYZE")
        return Done(len(whole), sum(self.noted[table.name].sum.rows for table in whole), resumed)

    def _copy(self, table: Table) -> None:
        noted = self.noted[table.name]
        if noted.whole:
            return
        said = _Said(self.tell, table.name, rows.count(self.source, table))
        reading = rows.Reading(self.source, table, noted.last)
        while found := reading.batch():
            self.shift(table, found)
            noted.sum.add(table, found)
            noted.last = reading.after
            with _about(table), transaction.atomic(using=TARGET):
                rows.store(self.target, table, found)
                progress.note(self.target, table.name, noted)
            said.now(noted.sum.rows)
        noted.whole = True
        progress.note(self.target, table.name, noted)
        said.all(noted.sum.rows)

    def _compare(self, table: Table) -> None:
        """What was read in this run is known by its sum; what an earlier one read may have changed since, and is read again."""
        noted = self.noted[table.name]
        if noted.resumed and self._sum(self.source, table, shifted=True) != noted.sum:
            raise Differs(f"{table.name}: the source has changed since this copy began; copy into a new database")
        if self._sum(self.target, table) != noted.sum:
            raise Differs(f"{table.name}: the target does not hold what was copied; copy into a new database")

    def _sum(self, connection: Any, table: Table, *, shifted: bool = False) -> Sum:
        found, reading = Sum(), rows.Reading(connection, table)
        while batch := reading.batch():
            if shifted:
                self.shift(table, batch)
            found.add(table, batch)
        return found


@contextmanager
def _about(table: Table) -> Iterator[None]:
    """A database's refusal names the table."""
    try:
        yield
    except DatabaseError as error:
        raise DatabaseError(f"{table.name}: {error}") from error


class _Said:
    """What somebody who watches is told of one table."""

    def __init__(self, tell: Tell, table: str, total: int) -> None:
        self._tell, self._table, self._total = tell, table, total
        self._next = time.monotonic() + EVERY

    def now(self, n: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            self._tell(f"{self._table}: {n:,} of {self._total:,}")

    def all(self, n: int) -> None:
        if n:
            self._tell(f"{self._table}: {n:,}")
