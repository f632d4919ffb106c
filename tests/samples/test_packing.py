"""Samples come out as they went in, and take little room."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from brokerweb.samples.packing import pack_hour, pack_tick, places_in, unpack_depths, unpack_hour, unpack_some, unpack_tick
from brokerweb.samples.series import Kind, Sample, bucket_of, of, place_of, series_at
from brokerweb.samples.walking import hour_of, minute_of

numbers = st.integers(0, 2**52)
some = st.builds(Sample, *[numbers] * len(Sample._fields))


@given(st.dictionaries(st.integers(0, 31), some))
def test_a_tick_comes_out_as_it_went_in(samples: dict[int, Sample]):
    packed = pack_tick(samples)
    assert unpack_tick(packed) == samples
    assert list(places_in(packed)) == list(samples)
    assert unpack_some(packed, [0, 7]) == {place: samples[place] for place in (0, 7) if place in samples}


@given(st.dictionaries(st.integers(0, 59), some))
def test_an_hour_comes_out_as_it_went_in(minutes: dict[int, Sample]):
    packed = pack_hour(minutes)
    assert unpack_hour(packed) == minutes
    assert unpack_depths(packed) == {minute: (sample.depth, sample.dead) for minute, sample in minutes.items()}


@given(st.sampled_from(Kind), st.integers(0, 2**40))
def test_a_series_is_at_one_place_of_one_bucket(kind: Kind, number: int):
    series = of(kind, number)
    assert series_at(bucket_of(series), place_of(series)) == series
    neighbours = {of(kind, number ^ 1), of(kind, number)}
    assert {bucket_of(each) for each in neighbours} == {bucket_of(series)}
    assert len(set(map(place_of, neighbours))) == 2


@given(st.integers(1, 10**8))
def test_a_minute_is_at_one_place_of_one_hour(minute: int):
    assert minute_of(*hour_of(minute)) == minute


def test_a_week_of_five_thousand_busy_queues_is_within_its_bounds():
    """Nothing stands still: rates go up and down by a fifth, backlogs and ages with them. An entry's columns, and those of its
    indexes, are 60 bytes on SQLite and 110 on PostgreSQL.
    """
    chance = random.Random(1)
    sizes = []
    for _ in range(50):
        ready, rate = chance.randrange(5_000), chance.randrange(1, 20_000)
        minutes = {}
        for minute in range(60):
            came, wanted = (round(rate * chance.uniform(0.8, 1.2)) for _ in range(2))
            went = min(wanted, ready + came)
            ready += came - went
            age = chance.randrange(300) if ready else 0
            minutes[minute] = Sample(ready, 0, 0, 32, 7, age, came, went, chance.randrange(9))
        sizes.append(len(pack_hour(minutes)))
    assert sum(sizes) / len(sizes) + 110 < 500_000_000 / (5_000 * 7 * 24)
