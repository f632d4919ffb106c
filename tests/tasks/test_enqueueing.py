"""A task is a message of its queue, enqueued in the caller's transaction."""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.utils import timezone

from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State
from brokerweb.tasks import declared, task
from brokerweb.tasks.calls import message_priority
from brokerweb.tasks.framework import (
    BaseTaskBackend,
    InvalidTask,
    TaskResultDoesNotExist,
    TaskResultMismatch,
    TaskResultStatus,
    task_backends,
    task_enqueued,
)
from tests.tasks import jobs
from tests.tasks.conftest import BACKEND, QUEUES, Worker, message

DUMMY = BaseTaskBackend.__module__.rpartition(".")[0] + ".dummy.DummyBackend"


@pytest.mark.usefixtures("worker")
class TestWhatIsEnqueued:
    @pytest.mark.parametrize("job", [jobs.add, jobs.add_later], ids=["function", "coroutine"])
    def test_is_ready_and_is_found_again_as_it_was(self, job: Any):
        result = job.enqueue(1, b=2)
        assert (result.status, result.is_finished, result.attempts) == (TaskResultStatus.READY, False, 0)
        assert (result.task, result.args, result.kwargs, result.backend) == (job, [1], {"b": 2}, "default")
        assert (result.started_at, result.last_attempted_at, result.finished_at) == (None, None, None)
        assert result.errors == result.worker_ids == []
        with pytest.raises(ValueError, match="not finished yet"):
            _ = result.return_value
        assert job.get_result(result.id) == result == task_backends["default"].get_result(result.id)

    def test_by_coroutines_likewise(self):
        result = async_to_sync(jobs.add.aenqueue)(1)
        assert async_to_sync(jobs.add.aget_result)(result.id) == result
        async_to_sync(result.arefresh)()
        assert result.status == TaskResultStatus.READY

    def test_is_a_message_that_people_can_read(self):
        result = jobs.add.using(priority=-7, queue_name="mails").enqueue(1, b="ü")
        found = message(result)
        assert json.loads(bytes(found.body)) == {
            "task": "tests.tasks.jobs.add", "args": [1], "kwargs": {"b": "ü"}, "priority": -7,
        }  # fmt: skip
        assert (found.queue.name, found.priority, State(found.state)) == ("mails", 3, State.READY)
        assert result.id == f"{found.pk}-{found.correlation_id}"
        assert len(result.id) <= 64

    def test_commits_with_the_callers_rows_or_not_at_all(self):
        with transaction.atomic():
            gone = jobs.add.enqueue(1)
            assert jobs.add.get_result(gone.id) == gone
            transaction.set_rollback(True)
        assert not Message.objects.exists()
        with pytest.raises(TaskResultDoesNotExist):
            gone.refresh()
        with transaction.atomic():
            there = jobs.add.enqueue(2)
        assert jobs.add.get_result(there.id).args == [2]
        with pytest.raises(TaskResultDoesNotExist):
            jobs.add.get_result(gone.id)  # though its message's number may have been given again

    def test_is_told_by_a_signal(self):
        told = []

        def receiver(sender: type, task_result: Any, **_: Any) -> None:
            told.append((sender, task_result))

        task_enqueued.connect(receiver)
        try:
            result = jobs.add.enqueue(1)
        finally:
            task_enqueued.disconnect(receiver)
        assert told == [(type(task_backends["default"]), result)]

    def test_waits_for_its_time(self):
        at = clock.to_datetime(clock.now() + clock.seconds(3600))
        result = jobs.add.using(run_after=at).enqueue(1)
        found = message(result)
        assert (State(found.state), found.deliver_at) == (State.SCHEDULED, at)
        assert jobs.add.get_result(result.id) == result
        assert result.task.run_after == at
        assert result.status == TaskResultStatus.READY
        past = jobs.add.using(run_after=clock.to_datetime(clock.now() - 1)).enqueue(1)
        assert State(message(past).state) is State.READY

    def test_has_the_terms_in_which_it_was_enqueued(self):
        other = jobs.fail.using(max_attempts=9, backoff=3, timeout=2.5, key="k", dedup_id="d")
        result = other.enqueue()
        assert json.loads(bytes(message(result).body))["said"] == {
            "max_attempts": 9, "backoff": 3, "timeout": 2.5, "key": "k", "dedup_id": "d",
        }  # fmt: skip
        assert jobs.fail.get_result(result.id).task == other
        assert message(result).key == "k"

    def test_once_by_its_dedup_id_with_its_key_of_the_arguments(self):
        first = jobs.ship.enqueue(1, customer="ann")
        again, other = jobs.ship.enqueue(1, customer="ann"), jobs.ship.enqueue(2, customer="bob")
        assert again == first
        assert other.id != first.id
        assert [m.key for m in Message.objects.order_by("id")] == ["ann", "bob"]

    @pytest.mark.parametrize("arguments", [[object()], [{1, 2}], [b"\xff"]], ids=["object", "set", "bytes"])
    def test_with_arguments_that_json_has_is_nothing_else(self, arguments: list[Any]):
        with pytest.raises((TypeError, ValueError)):
            jobs.add.enqueue(*arguments)
        with pytest.raises(Invalid):
            jobs.add.enqueue(float("nan"))
        assert not Message.objects.exists()

    def test_is_no_other_tasks(self):
        result = jobs.add.enqueue(1)
        with pytest.raises(TaskResultMismatch):
            jobs.fail.get_result(result.id)

    def test_has_the_projects_own_instants(self, settings: Any):
        settings.USE_TZ = False
        at = timezone.make_naive(clock.to_datetime(clock.now() + clock.seconds(60)))
        result = jobs.add.using(run_after=at).enqueue(1)
        assert result.enqueued_at is not None
        assert timezone.is_naive(result.enqueued_at)
        assert jobs.add.get_result(result.id) == result
        assert message(result).deliver_at == timezone.make_aware(at)

    def test_is_told_to_the_log(self, caplog: pytest.LogCaptureFixture):
        logger = DUMMY.partition(".backends")[0]
        with caplog.at_level("DEBUG", logger=logger):
            result = jobs.add.enqueue(1)
        assert [result.id in record.getMessage() for record in caplog.records if record.name == logger] == [True]

    @pytest.mark.parametrize("id", ["", "1", "x-y", "0-x", "999999-x", f"{10**30}-x", "-1-x", "٣-x", None])
    def test_has_an_id_that_nothing_else_is(self, id: Any):
        with pytest.raises(TaskResultDoesNotExist):
            jobs.add.get_result(id)

    def test_in_a_queue_that_is_not_there_makes_it(self, settings: Any):
        settings.TASKS = {"default": {"BACKEND": BACKEND, "QUEUES": []}}
        result = jobs.add.using(queue_name="anything").enqueue(1)
        assert message(result).queue.name == "anything"


def test_what_is_in_queues_is_declared_with_its_results_time(worker: Worker):
    assert {queue.name: queue.keep_settled for queue in Queue.declared.all()} == dict.fromkeys(QUEUES, 86_400)


class TestWhatCannotBeRun:
    @pytest.fixture(autouse=True)
    def tasks(self, settings: Any) -> None:
        settings.TASKS = {"default": {"BACKEND": BACKEND, "QUEUES": QUEUES}}

    @pytest.mark.parametrize(
        ("terms", "why"),
        [
            ({"queue_name": "others"}, "Queue 'others' is not valid for backend"),
            ({"priority": 101}, "between -100 and 100"),
            ({"priority": 1.5}, "whole number"),
            ({"run_after": datetime(2027, 1, 1)}, "aware"),  # noqa: DTZ001 (without a zone is what is refused)
            ({"run_after": timezone.now() + timedelta(days=500)}, "within 366 days"),
            ({"max_attempts": 0}, "max_attempts must be a whole number from 1"),
            ({"max_attempts": True}, "max_attempts"),
            ({"backoff": -1}, "backoff must be seconds"),
            ({"backoff": []}, "backoff"),
            ({"backoff": "soon"}, "backoff"),
            ({"timeout": 0}, "timeout must be seconds, more than 0"),
            ({"key": 7}, "key must be a text"),
            ({"atomic": "yes"}, "atomic must be True or False"),
        ],
    )
    def test_is_refused_where_it_is_said(self, terms: dict[str, Any], why: str):
        with pytest.raises(InvalidTask, match=why):
            jobs.fail.using(**terms)

    def test_a_coroutine_that_is_to_be_atomic(self):
        with pytest.raises(InvalidTask, match="no transactions"):
            task(atomic=True)(jobs.add_later.func)

    def test_a_task_that_no_worker_could_find(self):
        with pytest.raises(InvalidTask, match="is no task"):
            task(jobs.no_task).enqueue()

    def test_a_function_that_no_message_can_say(self):
        with pytest.raises(InvalidTask, match="backoff is a function that the task is not defined with"):
            jobs.fail.using(backoff=jobs.by_what_it_was).enqueue()

    def test_a_term_that_there_is_not(self):
        with pytest.raises(TypeError):
            task(retries=3)(jobs.no_task)  # type: ignore[call-overload]  # what types refuse is refused when it runs, too


def test_priorities_keep_their_order_in_ten_classes():
    found = [message_priority(priority) for priority in range(-100, 101)]
    assert found == sorted(found)
    assert (set(found), found[0], found[100], found[200]) == (set(range(10)), 0, 4, 9)
    assert message_priority(-1) == 3
    assert message_priority(1) == 5


def test_a_task_is_pickled_as_djangos_are(settings: Any):
    settings.TASKS = {"default": {"BACKEND": BACKEND}}
    if hasattr(type(jobs.add), "_reconstruct"):  # from Django 6.1 on
        assert pickle.loads(pickle.dumps(jobs.fail)) == jobs.fail


def test_where_there_are_no_tasks_it_is_said(settings: Any, monkeypatch: pytest.MonkeyPatch):
    settings.TASKS = {"default": {"BACKEND": BACKEND}}
    assert declared.check_framework() == []
    monkeypatch.setattr(declared, "find_spec", lambda name: None)
    [error] = declared.check_framework()
    assert (error.id, "this Django has no tasks" in error.msg) == ("brokerweb.E010", True)
    assert declared.backends() == []
    settings.TASKS = {"default": {"BACKEND": "django_tasks.backends.dummy.DummyBackend"}}
    assert declared.check_framework() == []


def test_backends_of_others_are_left_to_them(settings: Any):
    settings.TASKS = {"default": {"BACKEND": "nowhere.Backend"}, "dummy": {"BACKEND": DUMMY}, "ours": {"BACKEND": BACKEND}}
    assert [backend.alias for backend in declared.backends()] == ["ours"]
    assert [name for _, name, _ in declared.queues()] == ["default"]


def test_a_task_is_defined_alike_for_other_backends(settings: Any):
    settings.TASKS = {"default": {"BACKEND": DUMMY}}
    jobs.ship.enqueue(1, customer="ann")
    dummy: Any = task_backends["default"]
    assert [result.task for result in dummy.results] == [jobs.ship]


def check() -> list[tuple[str | None, str]]:
    return [(found.id, found.msg) for found in task_backends["default"].check()]


def test_check_knows_what_cannot_be(settings: Any):
    settings.TASKS = {
        "default": {"BACKEND": BACKEND, "QUEUES": ["a b", "ok"], "OPTIONS": {"ttl": 1, "result_ttl": 0, "timeout": 5}}
    }
    assert {id for id, _ in check()} == {"brokerweb.E010"}
    told = "\n".join(text for _, text in check())
    assert "no option 'ttl'" in told
    assert "result_ttl is 0" in told
    assert "QUEUES: 'a b'" in told


def test_what_is_no_list_and_no_dictionary_is_said(settings: Any):
    settings.TASKS = {"default": {"BACKEND": BACKEND, "QUEUES": "mails", "OPTIONS": ["ttl"]}}
    told = "\n".join(text for _, text in check())
    assert "QUEUES must be a list of names, and is 'mails'" in told
    assert "OPTIONS must be a dictionary, and is ['ttl']" in told
    assert [name for _, name, _ in declared.queues()] == [], "no queue for each letter"
    assert "timeout" not in told.replace("max_attempts, backoff, timeout, atomic", "")
    settings.TASKS = {"default": {"BACKEND": BACKEND, "QUEUES": []}}
    assert [id for id, _ in check()] == ["brokerweb.W007"]
    settings.TASKS = {"default": {"BACKEND": BACKEND, "OPTIONS": {"result_ttl": 60}}}
    assert check() == []
