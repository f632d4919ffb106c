"""What a running broker knows to be wrong with its files, and what it then leaves alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import OperationalError, ProgrammingError, connection

from brokerweb.core.errors import Unavailable
from brokerweb.faces.codec.problems import of_exception
from brokerweb.storage import damage
from brokerweb.storage.driver import sqlite


@pytest.fixture(autouse=True)
def a_run() -> Iterator[None]:
    damage.begin()
    yield
    damage.end()


@pytest.mark.django_db
def test_a_file_that_is_gone_is_not_made_anew_by_opening_it():
    another = connection.copy()
    damage.watch(lambda: "the file was deleted")
    with pytest.raises(OperationalError, match="the file was deleted"):
        another.connect()
    assert damage.found() == "the file was deleted"


@pytest.mark.django_db
def test_a_store_that_is_damaged_in_another_way_can_be_read():
    damage.watch(lambda: None)
    damage.note("another broker has begun")
    another = connection.copy()
    another.connect()
    another.close()
    with pytest.raises(Unavailable, match="another broker has begun"):
        damage.refuse()


def test_the_first_reason_stays_until_the_run_has_ended():
    damage.note("first")
    damage.note("second")
    assert damage.found() == "first"
    damage.end()
    assert damage.found() is None


@pytest.mark.django_db
@pytest.mark.parametrize("says", ["database disk image is malformed", "file is not a database"])
def test_a_broken_file_is_no_fault_of_the_code(says: str):
    with pytest.raises(OperationalError, match=says) as caught, connection.wrap_database_errors:
        raise sqlite.DatabaseError(says)
    assert damage.found() == says
    assert isinstance(of_exception(caught.value), Unavailable)


@pytest.mark.django_db
def test_an_error_of_the_code_stays_one():
    with pytest.raises(ProgrammingError), connection.wrap_database_errors:
        raise sqlite.ProgrammingError("Incorrect number of bindings supplied")
    assert damage.found() is None
