"""What a node believes of the lease of the cluster's duties."""

from __future__ import annotations

import pytest

from brokerweb.cluster import leasing
from brokerweb.cluster.leasing import Grant, Lease


class Ticks:
    """A clock that nothing stops, which is moved by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    ticks = Ticks()
    monkeypatch.setattr(leasing, "ticks", ticks)
    return ticks


def test_the_only_node_has_its_duties():
    lease = Lease(shared=False)
    assert (lease.held, lease.steady, lease.unowned) == (True, True, False)


def test_an_owner_that_stood_still_believes_in_nothing_when_it_wakes(ticks: Ticks):
    lease = Lease(shared=True)
    assert not lease.held
    assert lease.noted("a", Grant("a", 4_000_000), ticks.at), "it begins"
    assert lease.held
    assert not lease.steady, "others may not have been heard yet"
    ticks.at += 1
    assert not lease.noted("a", Grant("a", 4_000_000), ticks.at)
    assert lease.steady
    ticks.at += 3.6
    assert not lease.held, "before its time is over by the database's clock"
    assert lease.noted("a", Grant("a", 4_000_000), ticks.at), "it begins anew"
    assert not lease.steady


def test_an_answer_that_took_long_grants_less(ticks: Ticks):
    lease, asked_at = Lease(shared=True), ticks.at
    ticks.at += 3
    lease.noted("a", Grant("a", 4_000_000), asked_at)
    assert lease.held
    ticks.at += 0.6
    assert not lease.held


def test_what_another_has_is_not_held_and_a_lease_that_nobody_takes_is_noticed(ticks: Ticks):
    lease = Lease(shared=True)
    lease.noted("a", Grant("a", 4_000_000), ticks.at)
    lease.noted("a", Grant("b", 4_000_000), ticks.at)
    assert (lease.held, lease.node) == (False, "b")
    ticks.at += 6.9
    assert not lease.unowned, "somebody may be about to take it"
    ticks.at += 0.2
    assert lease.unowned
    lease.noted("a", Grant("c", 4_000_000), ticks.at)
    assert not lease.unowned
