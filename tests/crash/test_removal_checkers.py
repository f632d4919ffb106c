"""The checkers of removals are tested: a history that keeps every promise passes, and each break of one is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.crash.history import OK, UNKNOWN
from tests.crash.removal_history import (
    AGAIN,
    BURYING,
    DROPPING,
    FAILING,
    KEEPS,
    KEPT,
    LATEST,
    NEW,
    OLD,
    WASTE,
    Done,
    Left,
    RemovalHistory,
    Sent,
    Taken,
    removal_complaints,
)


def _sent(history: RemovalHistory, uid: str, to: str, result: dict[str, Any], **about: Any) -> None:
    history.sending([Sent(uid, to, **about)])
    history.stored(history.sent[uid], result)


def _message(history: RemovalHistory, n: int, to: str, **about: Any) -> None:
    _sent(history, f"m{n}", to, {"id": str(n)}, **about)


def _record(history: RemovalHistory, uid: str, to: str, offset: int, key: str | None = None, *, there: bool = True) -> None:
    _sent(history, uid, to, {"partition": 0, "offset": str(offset)}, key=key)
    if there:
        history.records[to, 0, offset] = (uid, key)


def _history() -> RemovalHistory:
    """Acked in time: 1, 3; expired: 2, 4; redriven and acked: 5; purged: 6; kept by the purge: 7. Two streams with rules."""
    history = RemovalHistory()
    for n, to in ((1, DROPPING), (2, DROPPING), (3, BURYING), (4, BURYING)):
        _message(history, n, to, brief=n in (2, 4))
    _message(history, 5, FAILING)
    _message(history, 6, WASTE, key=OLD)
    _message(history, 7, WASTE, key=NEW)
    for n, queue in ((1, DROPPING), (3, BURYING), (5, AGAIN)):
        history.took_out(Taken(f"m{n}", queue, str(n), 100, 200 if n < 5 else None))
        history.settling(queue, [f"m{n}"])
        history.settled(queue, [f"m{n}"])
    history.left[BURYING] = [Left("m4", "dead", "expired")]
    history.left[WASTE] = [Left("m7", "ready")]
    history.jobs = [Done("redrive", "done", 1, 0), Done("purge", "done", 1, 0)]
    for offset in range(KEEPS + 2):
        _record(history, f"k{offset}", KEPT, offset, there=offset >= 2)
    history.ranges = [(KEPT, 0, 0, KEEPS), (KEPT, 0, 1, KEEPS + 2), (KEPT, 0, 2, KEEPS + 2)]
    _record(history, "l0", LATEST, 0, "a", there=False)
    _record(history, "l1", LATEST, 1, "a")
    _record(history, "l2", LATEST, 2)
    return history


def test_a_history_that_keeps_every_promise_passes() -> None:
    assert removal_complaints(_history()) == []
    numbers = _history().summary()
    assert (numbers["expired"], numbers["trimmed"], numbers["compacted"]) == (1, 2, 1)


def _breaks() -> list[tuple[str, Callable[[RemovalHistory], object]]]:
    return [
        ("ttl: m1 of dropping was handed out 0 µs too late", lambda h: setattr(h.taken[0], "lease_from", 200)),
        ("ttl: m1 is gone from dropping", lambda h: h.acking.remove((DROPPING, "m1"))),
        ("ttl: m4 is gone from burying", lambda h: h.left[BURYING].clear()),
        ("ttl: m4 should not be dead of expired, 2 times", lambda h: h.left[BURYING].append(Left("m4", "dead", "expired"))),
        ("ttl: m4 should not be dead of rejected", lambda h: setattr(h.left[BURYING][0], "reason", "rejected")),
        ("ttl: m4 should not be dead of expired", lambda h: h.settled(BURYING, ["m4"])),
        ("ttl: m3 should not be dead of expired", lambda h: h.left[BURYING].append(Left("m3", "dead", "expired"))),
        ("ttl: m2 is ready in dropping", lambda h: h.left[DROPPING].append(Left("m2", "ready"))),
        ("ttl: m2 is dead in dropping", lambda h: h.left[DROPPING].append(Left("m2", "dead", "expired"))),
        ("redrive: m5 became ['5', '9']", lambda h: h.took_out(Taken("m5", AGAIN, "9", 0, None))),
        ("redrive: m5 became ['9']", lambda h: setattr(h.taken[2], "id", "9")),
        ("redrive: m5 did not come", lambda h: h.acking.remove((AGAIN, "m5"))),
        ("redrive: m5 is dead in failing", lambda h: h.left[FAILING].append(Left("m5", "dead", "rejected"))),
        ("redrive: jobs say 2, 1 came", lambda h: setattr(h.jobs[0], "done", 2)),
        ("purge: m7 is gone", lambda h: h.left[WASTE].clear()),
        ("purge: m6 is there 1 times", lambda h: h.left[WASTE].append(Left("m6", "ready"))),
        ("purge: m7 is there 2 times", lambda h: h.left[WASTE].append(Left("m7", "ready"))),
        ("purge: jobs say 2, 1 were there", lambda h: setattr(h.jobs[1], "done", 2)),
        ("purge: jobs say 0, 1 were there", lambda h: setattr(h.jobs[1], "done", 0)),
        ("job: a purge is failed", lambda h: setattr(h.jobs[1], "state", "failed")),
        ("job: a redrive is done, 1 failed", lambda h: setattr(h.jobs[0], "failed", 1)),
        ("retention: partition 0 begins at 3 of 17", lambda h: h.looked(KEPT, 0, 3, KEEPS + 2)),
        ("retention: partition 0 has 14 records", lambda h: h.records.pop((KEPT, 0, 9))),
        ("retention: partition 0 has 15 records from 1 to 17", lambda h: h.looked(KEPT, 0, 1, KEEPS + 2)),
        ("compaction: l1 at 0-1 is gone, and was the last of a", lambda h: h.records.pop((LATEST, 0, 1))),
        ("compaction: l2 at 0-2 is gone, and was the last of None", lambda h: h.records.pop((LATEST, 0, 2))),
        ("compaction: 2 records of a", lambda h: h.records.update({(LATEST, 0, 0): ("l0", "a")})),
        ("never sent: x", lambda h: h.took_out(Taken("x", AGAIN, "1", 0, None))),
        ("never sent: x", lambda h: h.records.update({(LATEST, 0, 9): ("x", None)})),
        ("never sent: x", lambda h: h.left[BURYING].append(Left("x", "dead", "expired"))),
        ("another record: k3 at 0-4 of kept", lambda h: h.records.update({(KEPT, 0, 4): ("k3", None)})),
        ("acknowledged 2 times: m1", lambda h: h.settled(DROPPING, ["m1"])),
        ("unexpected: strange", lambda h: h.complain("strange")),
    ]


@pytest.mark.parametrize(("complaint", "break_it"), _breaks(), ids=lambda value: value if isinstance(value, str) else "")
def test_each_break_is_found(complaint: str, break_it: Callable[[RemovalHistory], object]) -> None:
    history = _history()
    break_it(history)

    assert any(line.startswith(complaint) for line in removal_complaints(history)), removal_complaints(history)


def test_a_purge_may_have_taken_what_nobody_knows_to_be_stored() -> None:
    history = _history()
    history.sending([Sent("m8", WASTE, OLD)])
    history.jobs[1].done = 2

    assert removal_complaints(history) == []
    assert (history.sent["m8"].outcome, history.sent["m7"].outcome) == (UNKNOWN, OK)
