"""What is sent to PostgreSQL arrives as it was, alone and in arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokerweb.queues.states import State
from brokerweb.storage.postgres.binary import dumped
from brokerweb.storage.postgres.wire import wire_of
from tests.postgres import Servers

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
KINDS = [st.integers(-(2**63), 2**63 - 1), TEXTS, st.binary(), st.booleans(), st.floats(allow_nan=False)]
VALUES = st.one_of(st.none(), *KINDS)
ARRAYS = st.one_of(*(st.lists(st.one_of(st.none(), kind), max_size=50) for kind in KINDS)).filter(
    lambda values: any(value is not None for value in values)
)
MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def lane(postgres_servers: Servers) -> Iterator[psycopg.Connection[Any]]:
    with postgres_servers.get("wheel").connect() as raw:
        wire_of(raw).lane = True
        yield raw


def echo(raw: psycopg.Connection[Any], value: Any) -> Any:
    [[answer]] = wire_of(raw).execute(raw, "SELECT $1", [value]).fetchall()
    return answer


@MANY
@given(value=VALUES)
def test_a_value_arrives_as_it_was(lane: psycopg.Connection[Any], value: Any):
    assert echo(lane, value) == value


@MANY
@given(values=ARRAYS)
def test_an_array_arrives_as_it_was(lane: psycopg.Connection[Any], values: list[Any]):
    assert echo(lane, values) == values


def test_numbers_of_other_types_are_numbers(lane: psycopg.Connection[Any]):
    assert echo(lane, State.LEASED) == 3
    assert echo(lane, [State.LEASED, State.DEAD]) == [3, 4]
    assert math.isnan(echo(lane, math.nan))


def test_what_no_statement_takes_is_refused_before_anything_is_sent(lane: psycopg.Connection[Any]):
    with pytest.raises(TypeError):
        dumped(object())
    with pytest.raises(TypeError):
        echo(lane, object())
    assert echo(lane, 1) == 1
