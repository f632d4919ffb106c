"""The checkers of streams are tested: a history that keeps every promise passes, and each break of one is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.crash.stream_history import OK, REFUSED, Append, Commit, Seen, StreamHistory, stream_complaints


def _history() -> StreamHistory:
    """Two batches: records 0 and 1 confirmed at their offsets, 2 and 3 unknown and stored; 4 refused. All was read and acked."""
    history = StreamHistory()
    for n in range(5):
        history.appends[f"a-{n}"] = Append(f"a-{n}", "log", None, f"d{n}" if n < 2 else None, n // 2)
    for n in range(2):
        history.appended(history.appends[f"a-{n}"], {"partition": 0, "offset": str(n)})
    history.appends["a-4"].outcome = REFUSED
    history.seen = [_seen(n) for n in range(4)]
    history.replay["log"] = [replace(_seen(n), reader="replay") for n in range(4)]
    history.tried = {"a-0", "a-1"}
    history.finished = {"a-0": 1}
    history.commits = [Commit("billing", 0, 2, 1.0, 2.0)]
    history.positions = [("billing", 0, 1, 0.5, 1.5), ("billing", 0, 2, 3.0, 3.5)]
    history.piped = history.committed_pipe = ["a-0", "a-1"]
    return history


def _seen(n: int) -> Seen:
    return Seen(("log", 0, n), f"a-{n}", True, "2026-01-01T00:00:00.000000Z", "r1")


def test_a_history_that_keeps_every_promise_passes() -> None:
    assert stream_complaints(_history()) == []


def _breaks() -> list[tuple[str, Callable[[StreamHistory], object]]]:
    return [
        ("C6 two records at", lambda h: h.seen.append(replace(_seen(0), uid="a-1", reader="r2"))),
        ("C6 a-0 was confirmed at", lambda h: h.appends["a-0"].places.add(("log", 0, 3))),
        ("C6 lost: a-1", lambda h: h.replay["log"].pop(1)),
        ("C2 never sent", lambda h: h.seen.append(replace(_seen(4), uid="x"))),
        ("C2 refused, yet there", lambda h: h.seen.append(_seen(4))),
        ("C2 damaged", lambda h: setattr(h.seen[0], "intact", False)),
        ("C6 dedup: a-1", lambda h: h.replay["log"].append(replace(_seen(4), uid="a-1", reader="replay"))),
        ("C6 half an append", lambda h: h.replay["log"].pop(3)),
        ("C6 ('r1', 'log', 0) read 3 after 1", lambda h: h.seen.pop(2)),
        ("C6 ('r1', 'log', 0) read 0 after 3", lambda h: h.seen.append(_seen(0))),
        ("C6 group billing went back", lambda h: h.positions.append(("billing", 0, 1, 4.0, 4.1))),
        ("C4 acknowledged 2 times", lambda h: h.acked(["a-0"])),
        ("C1 never handed out: a-1", lambda h: h.tried.remove("a-1")),
        ("C6 a-0 went through the pipe 2 times", lambda h: setattr(h, "piped", ["a-0", "a-0", "a-1"])),
        ("C6 1 records came out of the pipe", lambda h: setattr(h, "piped", ["a-0"])),
        ("C9 strange", lambda h: h.complain("strange")),
    ]


@pytest.mark.parametrize(("complaint", "break_it"), _breaks(), ids=lambda value: value if isinstance(value, str) else "")
def test_each_break_is_found(complaint: str, break_it: Callable[[StreamHistory], object]) -> None:
    history = _history()
    break_it(history)

    assert any(line.startswith(complaint) for line in stream_complaints(history)), stream_complaints(history)


def test_what_retention_took_is_not_missing() -> None:
    history = _history()
    history.replay["log"] = history.replay["log"][2:]
    history.lows["log", 0] = 2

    assert stream_complaints(history) == []


def test_a_commit_under_way_may_or_may_not_be_seen() -> None:
    history = _history()
    history.positions.append(("billing", 0, 1, 1.5, 1.8))  # asked before the commit was answered

    assert stream_complaints(history) == []
    assert history.appends["a-2"].outcome != OK
