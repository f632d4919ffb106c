"""Acts on what a query finds take what somebody takes who looks at every message, while others come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from brokerweb.jobs import chunks, control, searched
from brokerweb.jobs.bulk_request import TAKES
from brokerweb.jobs.models import JobItem
from brokerweb.queues import engine
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message, SettledMessage
from brokerweb.queues.states import State
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from tests.answers.examples import examples
from tests.answers.test_search import ABOUT_MESSAGES, FATES, MESSAGES, Asked, asked_for, expected, happen, numbers, queries
from tests.jobs.acting import start
from tests.queues.bench import Bench, Time

ON_BOTH = True


def acted_on(action: str, before: set[int], source: Bench, target: Bench, redriven: dict[int, int]) -> set[int]:
    """Which of the messages that were there the action has been done to, as their rows show."""
    rows = dict(Message.objects.filter(pk__in=before).values_list("pk", "queue_id"))
    if action == "purge":
        return before - rows.keys()
    if action == "move":
        return {id for id, queue in rows.items() if queue == target.row.pk}
    return {row.pk for row in Message.objects.filter(pk__in=before) if row.redrives > redriven[row.pk]}


@pytest.mark.parametrize("action", ["redrive", "move", "purge"])
def test_it_takes_what_a_look_at_every_message_finds(time: Time, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    @examples(60)
    @given(st.lists(MESSAGES, max_size=12), FATES, queries(ABOUT_MESSAGES), st.integers(1, 5), st.booleans(), st.integers(0, 2))
    def check(
        messages: list[dict[str, Any]],
        fates: list[str],
        query: list[tuple[Asked, bool]],
        most: int,
        keyed: bool,
        settled: int,
    ) -> None:
        assume(query)
        monkeypatch.setattr(searched, "FOUND_AT_ONCE", most)
        monkeypatch.setattr(chunks, "ITEMS", most)
        bench, target = Bench(f"a{next(numbers)}", keyed=keyed, keep_settled=3600), Bench(f"b{next(numbers)}")
        perform(engine.publish, bench.name, [NewMessage(**fields) for fields in messages])
        bench.settle("ack", bench.lease(settled) if settled else [])
        happen(bench, fates)
        there = list(Message.objects.filter(queue_id=bench.row.pk))
        redriven = {message.pk: message.redrives for message in there}
        kept = SettledMessage.objects.filter(queue_id=bench.row.pk, outcome="acked").count()
        wanted = {each.pk for each in there if State(each.state) in TAKES[action] and expected(query, each)}
        job = start(action, {"q": asked_for(query), "in": [f"queue:{bench.name}"]}, to=target.name if action == "move" else None)
        new = bench.publish('"late"', priority=9)
        bench.settle("dead" if action == "redrive" else "release", bench.lease(1), error="Late")
        while control.get(job.pk).finished_at is None:
            perform(chunks.run, job.pk, read(searched.look_ahead, job.pk))
            time.advance(1)
        done = control.get(job.pk)
        assert (done.state, done.error, done.done, done.failed, done.total) == ("done", None, len(wanted), 0, len(wanted))
        assert acted_on(action, set(redriven), bench, target, redriven) == wanted
        assert Message.objects.filter(pk__in=new, queue_id=bench.row.pk, redrives=0).count() == len(new), "what came later stays"
        assert SettledMessage.objects.filter(queue_id=bench.row.pk, outcome="acked").count() == kept
        assert not JobItem.objects.filter(job_id=job.pk).exists()
