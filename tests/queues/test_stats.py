"""Rates over ten seconds, totals, and memory that is bounded by the queues there are."""

from __future__ import annotations

import threading

from brokerweb.core.clock import SECOND
from brokerweb.core.events import ACKED, PUBLISHED, PURGED, REMOVED, Outcome
from brokerweb.queues.stats import Stats


class Ticks:
    def __init__(self) -> None:
        self.at = 1000 * SECOND

    def __call__(self) -> int:
        return self.at


def outcome(event: str, queue_id: int, n: int) -> Outcome:
    told = Outcome()
    told.event(event, queue_id, n)
    return told


def test_a_steady_stream_shows_its_rate() -> None:
    ticks = Ticks()
    stats = Stats(ticks)
    for _ in range(30):
        stats(outcome(PUBLISHED, 1, 50))
        ticks.at += SECOND // 2
    assert stats.rates(1) == {"published": 100, "delivered": 0, "acked": 0, "failed": 0}


def test_an_event_counts_for_ten_seconds_and_fades_out_of_the_window() -> None:
    ticks = Ticks()
    stats = Stats(ticks)
    stats(outcome(ACKED, 1, 100))
    seen = []
    for _ in range(13):
        seen.append(stats.rates(1)["acked"])
        ticks.at += SECOND
    assert seen == [10] * 11 + [0, 0]


def test_queues_are_apart_and_idle_ones_show_zero() -> None:
    stats = Stats(Ticks())
    stats(outcome(PUBLISHED, 1, 5))
    assert stats.rates(2)["published"] == 0


def test_totals_of_removed_queues_are_forgotten_but_stay_in_the_sums() -> None:
    stats = Stats(Ticks())
    stats(outcome(PUBLISHED, 1, 5))
    stats(outcome(PUBLISHED, 2, 7))
    stats(outcome(PURGED, 2, 1))
    stats(outcome(REMOVED, 2, 1))
    assert stats.totals() == {(PUBLISHED, 1): 5}
    assert stats.sums()[PUBLISHED] == 12
    assert stats.sums()[ACKED] == 0


def test_the_ring_keeps_eleven_seconds_however_many_queues_come_and_go() -> None:
    ticks = Ticks()
    stats = Stats(ticks)
    for queue_id in range(1000):
        stats(outcome(PUBLISHED, queue_id, 1))
        ticks.at += SECOND
    assert sum(len(bucket) for _, bucket in stats._ring) == 11


def test_threads_lose_no_count() -> None:
    stats = Stats(Ticks())
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        for _ in range(2000):
            stats(outcome(PUBLISHED, 1, 1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stats.totals() == {(PUBLISHED, 1): 8000}
