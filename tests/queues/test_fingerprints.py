"""Causes told apart: what differs from one case to the next does not count, and everything else does."""

from __future__ import annotations

import re
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.queues import fingerprints, limits
from brokerweb.queues.states import EXPIRED, MAX_FAILURES, REJECTED

TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/worker.py", line {line}, in handle
    charge(order)
{last}
"""


def same(a: str | None, b: str | None) -> bool:
    return fingerprints.of(REJECTED, a) == fingerprints.of(REJECTED, b)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP 429 after 3 tries", "HTTP 503 after 12 tries"),
        ("took 1.5 s", "took 12,000 s"),
        ("balance -5", "balance 17"),
        ("no order 9f1c0e7a-7c44-4f0c-9b2e-0d6a5d2b11aa", "no order 00000000-0000-4000-8000-000000000000"),
        ("at 0x7f3a", "at 0xDEADBEEF"),
        ("commit 3f9a2b1c is missing", "commit deadbeef is missing"),
        ("commit 3f9a2b1c is missing", "commit 12345678 is missing"),
        ("KeyError: 'customer'", "KeyError: 'total'"),
        ('no field "a \\" b"', 'no field "c"'),
        ("no column `a`", "no column `b c`"),
        ("cannot open /var/lib/a.txt: denied", "cannot open /tmp/b: denied"),
        ("cannot open C:\\data\\a.txt", "cannot open D:\\b"),
        ("GET https://api.example/v1/orders/17?page=2 failed", "GET https://api.example/v2/customers failed"),
        ("Timeout", "  TIMEOUT  "),
        ("Timeout\nof the first kind", "Timeout\nof the second"),
        ("connect to 10.0.0.1:5432", "connect to 192.168.7.20:80"),
        (TRACEBACK.format(line=3, last="ValueError: 17"), TRACEBACK.format(line=99, last="ValueError: 4") + "\n\n"),
        ("2026-11-28T09:30:00.123Z down", "2027-01-02T23:59:59.9Z down"),
        ("", None),
        ("\n \n", None),
    ],
)
def test_what_differs_from_case_to_case_does_not_count(one: str, other: str) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timeout", "refused"),
        ("can't reach the bank", "can't reach the shop"),
        ("a dead face", "a dead facade"),
        ("https://api.example/v1", "https://bank.example/v1"),
        (TRACEBACK.format(line=3, last="ValueError: 17"), TRACEBACK.format(line=3, last="KeyError: 17")),
        ("ValueError: 17", None),
    ],
)
def test_what_tells_causes_apart_does(one: str, other: str | None) -> None:
    assert not same(one, other)


def test_the_reason_counts() -> None:
    assert len({fingerprints.of(reason, "x") for reason in (REJECTED, EXPIRED, MAX_FAILURES)}) == 3


def test_the_end_of_a_long_traceback_is_kept_and_tells() -> None:
    deep = "".join(f'  File "/srv/{n}.py", line {n}, in f\n    f()\n' for n in range(200))
    errors = [limits.cut(TRACEBACK.format(line=n, last=deep + f"ValueError: {n}")) or "" for n in (1, 100_000)]
    assert [len(error) for error in errors] == [limits.MAX_ERROR_CHARACTERS] * 2
    assert all(error.startswith("Traceback") for error in errors)
    assert errors[1].endswith("\n…\nValueError: 100000")
    assert same(*errors)
    assert limits.cut("x" * 3000) == "x" * 2000


@given(st.text(max_size=2000), st.integers(0, 10**30), st.uuids())
def test_any_text_has_sixteen_hexadecimals_whatever_numbers_and_ids_are_in_it(text: str, number: int, id: uuid.UUID) -> None:
    told = fingerprints.of(REJECTED, text)
    assert re.fullmatch("[0-9a-f]{16}", told)
    assert told == fingerprints.of(REJECTED, text)
    [line] = text.splitlines()[:1] or [""]
    assert same(f"x {line} {number} {id}", f"x {line} 5 {uuid.UUID(int=0)}") or any(quote in line for quote in "\"'`“«")


@pytest.mark.parametrize(
    "text", ["'" * 2000, "/" * 2000, "a" * 2000, "/a" * 1000, '"\\' * 1000, "1." * 1000, "-" * 2000, "~./" * 600]
)
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    fingerprints.common(text)
    assert time.process_time() - started < 0.5, "each character is looked at a few times: that is a thousandth of it"
