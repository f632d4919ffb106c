"""What is written is read back to the last digit, and what nobody can be sure of is refused with what is accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.core.quantities import COUNT, DURATION, NUMBER, RATE, SIZE, Quantity

MOST = 10_000 * 86_400
seconds = st.just(0.0) | st.floats(1e-6, MOST) | st.integers(0, MOST) | st.integers(0, 20_000).map(lambda n: n / 1000)
round_ones = st.builds(lambda n, size: n * size, st.integers(1, 5_000), st.sampled_from([60, 1000, 1024, 3600, 86_400, 1024**2]))
whole = st.integers(0, 2**53) | round_ones


@given(seconds | round_ones)
def test_a_duration_is_read_back_as_it_was_written(value: float):
    assert DURATION.parse(DURATION.text(value)) == value


@given(st.just(0.0) | st.floats(1e-6, 1e15) | whole)
def test_a_number_and_a_rate_are_read_back_as_they_were_written(value: float):
    for quantity in (NUMBER, RATE):
        assert quantity.parse(quantity.text(value)) == value


@given(whole)
def test_a_size_and_a_count_are_read_back_as_they_were_written(value: int):
    for quantity in (SIZE, COUNT):
        read = quantity.parse(quantity.text(value))
        assert (read, type(read)) == (value, int)


@given(seconds, whole)
def test_plain_numbers_are_read_too(duration: float, count: int):
    assert DURATION.parse(repr(duration)) == duration
    assert SIZE.parse(str(count)) == COUNT.parse(str(count)) == count


@pytest.mark.parametrize(
    ("quantity", "value", "text"),
    [
        (DURATION, 604_800, "7 d"),
        (DURATION, 5_400.0, "1 h 30 min"),
        (DURATION, 30.0, "30 s"),
        (DURATION, 90, "1 min 30 s"),
        (DURATION, 0, "0 s"),
        (DURATION, 0.25, "250 ms"),
        (DURATION, 61.5, "1 min 1.5 s"),
        (DURATION, 3_660 * 86_400, "3,660 d"),
        (DURATION, 0.1 + 0.2, "300.00000000000004 ms"),
        (SIZE, 65_536, "64 KiB"),
        (SIZE, 5 * 1_048_576, "5 MiB"),
        (SIZE, 1_536, "1.5 KiB"),
        (SIZE, 1_000_000, "1 MB"),
        (SIZE, 1_234_567, "1,234,567 B"),
        (SIZE, 0, "0 B"),
        (COUNT, 10_000, "10,000"),
        (NUMBER, 1_000.5, "1,000.5"),
        (RATE, 5, "5/s"),
        (RATE, 0.5, "0.5/s"),
    ],
)
def test_what_is_written_is_short(quantity: Quantity, value: float, text: str):
    assert quantity.text(value) == text


@pytest.mark.parametrize(
    ("quantity", "text", "value"),
    [
        (DURATION, " 7d ", 604_800),
        (DURATION, "1h30min", 5_400),
        (DURATION, "30 min 1 h", 5_400),
        (DURATION, "2 Weeks", 1_209_600),
        (DURATION, "1.5 hours", 5_400),
        (DURATION, "10,000 s", 10_000),
        (DURATION, "7\u00a0d", 604_800),
        (DURATION, "1e3", 1_000),
        (DURATION, ".5", 0.5),
        (SIZE, "64kib", 65_536),
        (SIZE, "1.5 MiB", 1_572_864),
        (SIZE, "10 MB", 10_000_000),
        (SIZE, "1 byte", 1),
        (COUNT, "10k", 10_000),
        (COUNT, "1.5 million", 1_500_000),
        (COUNT, "1,000,000", 1_000_000),
        (NUMBER, "1.5k", 1_500),
        (RATE, "5", 5),
        (RATE, "5 / s", 5),
        (RATE, "5 a second", 5),
        (RATE, "90/min", 1.5),
        (RATE, "90 per minute", 1.5),
        (RATE, "7,200 an hour", 2),
    ],
)
def test_people_write_it_as_they_like(quantity: Quantity, text: str, value: float):
    assert quantity.parse(text) == value


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        *(
            (DURATION, text)
            for text in ("", "d", "1,5 h", "1 h 30", "1 h 2 h", "-5", "1:30", "7 x", "nan", "inf", "1e400", "٣ s")
        ),
        *((SIZE, text) for text in ("64K", "0.5", "1.0001 KiB", "1 MiB 1 KiB", "5 s", "1" * 200)),
        *((COUNT, text) for text in ("10 000", "1.5", "1,00", "4 MB", "ten")),
    ],
)
def test_what_nobody_can_be_sure_of_is_refused_with_what_is_accepted(quantity: Quantity, text: str):
    with pytest.raises(ValueError, match=r"Write a .* such as"):
        quantity.parse(text)
