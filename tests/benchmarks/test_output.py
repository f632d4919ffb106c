"""Turns, medians, ratios and the table."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.arms import Arm, in_turns, median
from benchmarks.peers.server import Running
from benchmarks.table import table
from benchmarks.target import Figures


def never(folder: Path) -> AbstractContextManager[Running]:
    raise AssertionError("not started here")


HERE, THERE = Arm("here", never), Arm("there", never, base="here", about="what it is")


def test_arms_run_in_turns():
    assert "".join(arm.name[0] for _, arm in in_turns([HERE, THERE], 3)) == "htthht"


def test_medians_are_of_runs_that_came_through():
    figure = median([{"rate": 1}, {"failed": "lost"}, {"rate": 5}, {"rate": 3}])
    assert figure is not None
    assert figure.value == 3
    assert median([{"failed": "lost"}]) is None


def test_a_latency_is_its_figure_and_less_of_it_is_better():
    slow, fast = median([{"p50_ms": 4.0, "rate": 500}]), median([{"p50_ms": 1.0, "rate": 500}])
    assert slow is not None
    assert fast is not None
    assert (slow.unit, fast.over(slow), slow.over(fast)) == ("ms", 4, 0.25)


def test_the_table_has_medians_and_ratios():
    runs: dict[tuple[str, str], list[Figures]] = {
        ("one", "here"): [{"rate": 3000}, {"rate": 1000}, {"rate": 2000}],
        ("one", "there"): [{"rate": 1000}],
        ("two", "here"): [{"failed": "lost"}],
        ("two", "there"): [{"p50_ms": 0.5}],
    }
    text = table("A title", {"one": "what one is", "two": ""}, [HERE, THERE], runs)
    lines = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if "|" in line]
    assert lines == [["", "here", "there", "unit"], ["one", "2,000", "1,000 x2.00", "/s"], ["two", "-", "0.50", "ms"]]
    for told in ("A title", "one: what one is", "there: what it is"):
        assert told in text


def test_a_broker_that_does_not_start_is_a_failed_run(tmp_path: Path):
    figures = HERE.measure("prefetch_32", lambda workload, running: {}, tmp_path)
    assert figures == {"failed": "not started here"}
    assert list(tmp_path.iterdir()) == []
