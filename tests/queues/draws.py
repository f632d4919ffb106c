"""What the model test draws from: messages, takers, settings, and what is done how often."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.queues.books import New, Settings, Taker

NEWS = st.builds(
    New,
    priority=st.sampled_from([4, 4, 4, 9, 0]),
    key=st.sampled_from(["a", "a", "b", None]),
    delay=st.sampled_from([0, 0, 0, 0, 0, 1, 20]),
    stated=st.sampled_from([None, None, None, None, None, -1, 1, 20, 4000]),
    ttl=st.sampled_from([None, None, None, 2, 40]),
    dedup_id=st.sampled_from([None, None, None, None, None, None, "x", "y"]),
)
TAKERS = st.builds(
    Taker,
    room=st.integers(1, 3),
    acknowledge=st.sampled_from([True, True, True, False]),
    lease=st.sampled_from([None, 3]),
    holder=st.sampled_from(["ws:node/1/1", "ws:node/1/2", "rest:token"]),
    unsettled=st.integers(0, 2),
)
SETTINGS = st.builds(
    Settings,
    keyed=st.booleans(),
    on_expire=st.sampled_from(["drop", "dead"]),
    max_failures=st.sampled_from([1, 3, None]),
    max_length=st.sampled_from([None, 6]),
    overflow=st.sampled_from(["dead_letter_oldest", "dead_letter_oldest", "refuse"]),
    ttl=st.sampled_from([None, None, None, 5]),
    history=st.sampled_from(["failures", "full"]),
    keep_settled=st.sampled_from([0, 0, 25]),
)
CHANGES: list[dict[str, Any]] = [
    {"lease": 5},
    {"lease": 40, "max_failures": None},
    {"max_failures": 2},
    {"max_length": 3, "overflow": "refuse"},
    {"max_length": 2, "overflow": "dead_letter_oldest"},
    {"max_length": None, "ttl": 3},
    {"ttl": None, "dedup_window": 1},
    {"on_expire": "dead"},
    {"on_expire": "drop", "backoff": {"initial": 0}},
    {"backoff": {"initial": 3, "factor": 5, "max": 10}},
    {"keyed": True},
    {"keyed": False},
    {"history": "full"},
    {"history": "failures"},
    {"keep_settled": 25},
    {"keep_settled": 0},
]
KINDS = ["ack", "ack", "nack", "nack", "release", "dead", "extend", "lose", "lose"]
TOGETHER = ["publish", "publish", "lease", "settle", "settle", "serve", "lease_round"]  # what the committer puts into one commit
OFTEN = {"publish": 6, "lease": 4, "settle": 8, "pass_time": 5, "several": 3}
SELDOM = ["crash_and_restart", "purge", "redrive", "requeue", "replace", "reschedule", "delete", "pause_or_resume", "change"]
SELDOM += ["set_wall", "set_wall", "lease_round", "lease_alone", "serve", "redrive", "reschedule", "reschedule"]
ACTIONS = [action for action, n in OFTEN.items() for _ in range(n)] + SELDOM
