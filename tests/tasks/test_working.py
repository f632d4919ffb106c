"""What a worker makes of tasks, and what is known of them meanwhile and afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from brokerweb import queues
from brokerweb.core import clock
from brokerweb.queues import control, leasing, redaction
from brokerweb.queues import results as stored
from brokerweb.queues.filters import ALL
from brokerweb.queues.leasing import Terms
from brokerweb.queues.models import Failure, Message, Result, SettledMessage
from brokerweb.queues.states import State
from brokerweb.storage.run import perform
from brokerweb.tasks import WorkerLost
from brokerweb.tasks.framework import TaskResultDoesNotExist, TaskResultStatus, task_backends, task_finished, task_started
from brokerweb.tasks.working import TaskSource
from tests.tasks import jobs
from tests.tasks.conftest import Worker, message

READY, RUNNING, FAILED, SUCCESSFUL = (
    TaskResultStatus.READY, TaskResultStatus.RUNNING, TaskResultStatus.FAILED, TaskResultStatus.SUCCESSFUL,
)  # fmt: skip


@pytest.mark.parametrize("task", [jobs.add, jobs.add_later], ids=["function", "coroutine"])
def test_a_task_is_run_and_its_result_is_kept(worker: Worker, task: Any):
    result = task.enqueue(1, b=2)
    assert worker.run().done == 1
    assert result.status == READY
    result.refresh()
    assert (result.status, result.return_value, result.attempts, result.errors) == (SUCCESSFUL, 3, 1, [])
    assert result.enqueued_at <= result.started_at == result.last_attempted_at <= result.finished_at
    assert (result.args, result.kwargs, result.task) == ([1], {"b": 2}, task)
    assert not Message.objects.exists()
    assert [kept.message_id for kept in SettledMessage.objects.all()] == [int(result.id.partition("-")[0])]


def test_each_worker_runs_its_queues(worker: Worker):
    result = jobs.add.using(queue_name="mails").enqueue(1)
    assert worker.run("default").done == 0
    assert worker.run("mails").done == 1
    result.refresh()
    assert (result.status, result.task.queue_name) == (SUCCESSFUL, "mails")


def test_a_task_may_ask_how_it_stands(worker: Worker):
    result = jobs.tell.enqueue()
    worker.run()
    result.refresh()
    assert result.return_value == {"id": result.id, "attempt": 1, "errors": 0, "status": "RUNNING"}


def test_by_priority_and_then_as_they_came(worker: Worker):
    for priority in (0, -100, 100, 19, 1, 0):
        jobs.add.using(priority=priority).enqueue(priority)
    worker.run()
    assert [a for a, _ in jobs.ran][:1] == [100]
    assert [a for a, _ in jobs.ran][-3:] == [0, 0, -100]


def test_what_a_worker_takes_at_once_it_begins_by_the_exact_priority(worker: Worker):
    for priority in (1, 19, 10, 20, -1):
        jobs.add.using(priority=priority).enqueue(priority)
    leased, more = perform(TaskSource("default").lease, 4, "work@here:1")
    assert ([message.body["priority"] for message in leased], more) == ([20, 19, 10, 1], True)


class TestWhatFails:
    def test_is_tried_again_after_its_backoff_and_is_dead_after_its_last_attempt(self, worker: Worker):
        result = jobs.fail.enqueue()
        for attempt, wait in ((1, 5), (2, 50)):
            worker.run()
            result.refresh()
            assert (result.status, result.attempts, len(result.errors)) == (READY, attempt, attempt)
            assert result.finished_at is None
            worker.later(wait - 0.1)
            assert worker.run().taken == 0
            worker.later(0.2)
        worker.run()
        result.refresh()
        assert (result.status, result.attempts, len(result.errors)) == (FAILED, 3, 3)
        assert result.finished_at is not None
        with pytest.raises(ValueError, match="Task failed"):
            _ = result.return_value
        assert {error.exception_class for error in result.errors} == {ValueError}
        assert result.errors[0].traceback.startswith("Traceback")
        assert result.errors[0].traceback.rstrip().endswith("ValueError: out of stock")
        dead = message(result)
        assert (State(dead.state), dead.reason) == (State.DEAD, "max_failures")
        assert "ValueError: out of stock" in (dead.last_error or "")

    def test_runs_again_where_somebody_puts_it_back(self, worker: Worker):
        result = jobs.succeed_in.using(max_attempts=1).enqueue(2)
        worker.run()
        result.refresh()
        assert result.status == FAILED
        perform(control.redrive, "default", ALL)
        result.refresh()
        assert (result.status, result.finished_at, len(result.errors)) == (READY, None, 1)
        worker.run()
        result.refresh()
        assert (result.status, result.return_value, result.attempts) == (SUCCESSFUL, "at last", 2)
        assert [error.exception_class for error in result.errors] == [LookupError]

    def test_as_often_as_its_queue_says_where_it_says_nothing(self, worker: Worker):
        queues.declare("default", max_failures=2, backoff={"initial": 3, "jitter": 0})
        result = jobs.fail_as_the_queue_has_it.enqueue()
        worker.run()
        assert message(result).due_at == clock.to_datetime(clock.now() + clock.seconds(3))
        worker.later(3)
        worker.run()
        result.refresh()
        assert (result.status, result.attempts) == (FAILED, 2)

    def test_more_often_than_its_queue_says_where_it_says_so(self, worker: Worker):
        queues.declare("default", max_failures=1)
        result = jobs.succeed_in.enqueue(3)
        for _ in range(3):
            worker.run()
            worker.later(1)
        result.refresh()
        assert (result.status, result.attempts) == (SUCCESSFUL, 3)

    def test_waits_as_a_function_of_its_error_says(self, worker: Worker):
        waiting, given_up = jobs.fail_in_a_way.enqueue("value"), jobs.fail_in_a_way.enqueue("key")
        worker.run()
        assert message(waiting).due_at == clock.to_datetime(clock.now() + clock.seconds(10))
        given_up.refresh()
        assert (given_up.status, message(given_up).reason) == (FAILED, "rejected")

    def test_or_says_itself_what_becomes_of_it(self, worker: Worker):
        rejected, put_off = jobs.say_what_becomes_of_it.enqueue("reject"), jobs.say_what_becomes_of_it.enqueue("retry")
        worker.run()
        rejected.refresh()
        assert rejected.status == FAILED
        assert message(put_off).due_at == clock.to_datetime(clock.now() + clock.seconds(7))

    @pytest.mark.parametrize(("task", "arguments", "error"), [
        (jobs.answer_what_json_has_not, ["object"], TypeError),
        (jobs.answer_what_json_has_not, ["nan"], ValueError),
        (jobs.add, ["no number"], TypeError),
    ])  # fmt: skip
    def test_in_whichever_way(self, worker: Worker, task: Any, arguments: list[Any], error: type[BaseException]):
        result = task.using(max_attempts=1).enqueue(*arguments) if task is not jobs.add else task.enqueue(*arguments)
        worker.run()
        result.refresh()
        assert [each.exception_class for each in result.errors] == [error]

    @pytest.mark.parametrize("body", [
        {"task": "tests.tasks.jobs.no_task"}, {"task": "tests.tasks.jobs.nothing"}, {"task": "os.getcwd"}, {"task": "x" * 300},
    ])  # fmt: skip
    def test_for_there_is_no_such_task(self, worker: Worker, body: dict[str, Any]):
        id = queues.publish("default", body)
        assert len(worker.run().failures) == 1
        assert jobs.ran == []
        assert Failure.objects.filter(message_id=id).count() == 1

    @pytest.mark.parametrize(
        "body", [17, {"args": []}, {"task": "tests.tasks.jobs.add", "args": {}}, {"task": "x", "run_after": "soon"}, b"\xff"]
    )
    def test_for_good_where_it_is_none(self, worker: Worker, body: Any):
        id = queues.publish("default", body)
        worker.run()
        dead = Message.objects.get(pk=id)
        assert (State(dead.state), dead.reason) == (State.DEAD, "rejected")
        assert "calls no task" in (dead.last_error or "")


@pytest.mark.parametrize("more", [{}, {"backend": "nowhere"}, {"said": {"max_attempts": "x", "func": "os.system"}}])
def test_other_programs_may_publish_tasks(worker: Worker, more: dict[str, Any]):
    id = queues.publish("default", {"task": "tests.tasks.jobs.add", "args": [20], "kwargs": {"b": 22}, **more})
    worker.run()
    assert task_backends["default"].get_result(f"{id}-").return_value == 42


def test_settling_comes_first_where_the_disk_is_full(worker: Worker, monkeypatch: pytest.MonkeyPatch):
    result = jobs.add.enqueue(1)
    monkeypatch.setattr("brokerweb.queues.results.disk.of", lambda: SimpleNamespace(low=True, strained=False))
    assert worker.run().done == 1
    with pytest.raises(TaskResultDoesNotExist):
        result.refresh()


class TestAWorkerThatIsLost:
    def lost(self, worker: Worker, result: Any) -> None:
        """It had the task, and was never heard of again."""
        [leased] = perform(leasing.lease, "default", 1, Terms("work@other:1")).messages
        assert str(leased.id) == result.id.partition("-")[0]
        result.refresh()
        assert (result.status, result.worker_ids[-1]) == (RUNNING, "work@other:1")
        worker.later(31)
        result.refresh()

    def test_has_its_task_run_again(self, worker: Worker):
        result = jobs.succeed_in.enqueue(2)
        self.lost(worker, result)
        assert (result.status, result.attempts) == (READY, 1)
        assert [error.exception_class for error in result.errors] == [WorkerLost]
        worker.later(5)
        worker.run()
        result.refresh()
        assert (result.status, result.return_value, result.attempts) == (SUCCESSFUL, "at last", 2)
        assert result.worker_ids[0] == "work@other:1"
        assert "work@other:1" in result.errors[0].traceback

    def test_not_more_often_than_it_may(self, worker: Worker):
        once = jobs.fail.using(max_attempts=1).enqueue()
        worker.run()
        once.refresh()
        assert once.status == FAILED
        result = jobs.fail.using(max_attempts=1).enqueue("never")
        self.lost(worker, result)
        worker.later(5)
        worker.run()
        result.refresh()
        assert (result.status, result.attempts) == (FAILED, 1)
        assert [error.exception_class for error in result.errors] == [WorkerLost]
        assert "never" not in jobs.ran

    def test_and_is_late_changes_nothing(self, worker: Worker):
        """Its lease has run out while it ran: somebody else has the task by then."""
        result = jobs.make_user.enqueue("ann", then="run out")
        jobs.during["run out"] = lambda: worker.time.advance(31)
        worker.run()
        result.refresh()
        names = sorted(User.objects.values_list("username", flat=True))
        assert (result.status, names) in [(RUNNING, []), (SUCCESSFUL, ["ann"])]


class TestAnAtomicTask:
    def test_has_its_rows_with_its_result(self, worker: Worker):
        result = jobs.make_user.enqueue("ann")
        worker.run()
        result.refresh()
        assert result.return_value == User.objects.get().pk

    def test_has_none_where_it_fails(self, worker: Worker):
        result = jobs.make_user.enqueue("ann", fail=True)
        worker.run()
        result.refresh()
        assert (result.status, len(result.errors), User.objects.count()) == (READY, 1, 0)

    def test_has_none_where_its_result_cannot_be_stored(self, worker: Worker, monkeypatch: pytest.MonkeyPatch):
        put = stored.put

        def full(tx: Any, result: stored.Result, keep: float) -> None:
            if result.finished is not None:
                raise OSError("no room")
            put(tx, result, keep)

        result = jobs.make_user.enqueue("ann")
        with monkeypatch.context() as broken:
            broken.setattr(stored, "put", full)
            worker.run()
        assert not User.objects.exists()
        assert not Result.objects.filter(finished_at__isnull=False).exists()
        result.refresh()
        assert (result.status, [error.exception_class for error in result.errors]) == (READY, [OSError])


@contextmanager
def hearing() -> Iterator[list[tuple[str, str, Any, bool]]]:
    """What signals tell: which, how the task stands, its attempts, and whether an exception is at hand."""
    heard: list[tuple[str, str, Any, bool]] = []

    def started(sender: type, task_result: Any, **_: Any) -> None:
        heard.append(("started", task_result.status, task_result.attempts, sys.exc_info()[0] is not None))

    def finished(sender: type, task_result: Any, **_: Any) -> None:
        assert task_result.task.get_result(task_result.id) == task_result, "it was told after the commit"
        heard.append(("finished", task_result.status, task_result.attempts, sys.exc_info()[0] is not None))

    task_started.connect(started)
    task_finished.connect(finished)
    try:
        yield heard
    finally:
        task_started.disconnect(started)
        task_finished.disconnect(finished)


def test_signals_tell_of_each_start_and_of_the_end(worker: Worker):
    with hearing() as heard:
        jobs.succeed_in.enqueue(2)
        worker.run()
        assert heard == [("started", RUNNING, 1, False)]
        worker.later(1)
        worker.run()
        assert heard[1:] == [("started", RUNNING, 2, False), ("finished", SUCCESSFUL, 2, False)]
        heard.clear()
        jobs.fail.using(max_attempts=1).enqueue()
        worker.run()
        assert heard == [("started", RUNNING, 1, False), ("finished", FAILED, 1, True)]


class TestAResult:
    def test_is_kept_as_long_as_the_option_says(self, worker: Worker, settings: Any):
        settings.TASKS = {"default": {**settings.TASKS["default"], "OPTIONS": {"result_ttl": 60}}}
        result = jobs.add.enqueue(1)
        worker.run()
        worker.later(59)
        result.refresh()
        worker.later(2)
        with pytest.raises(TaskResultDoesNotExist):
            result.refresh()
        assert not Result.objects.exists()

    def test_is_kept_as_long_as_its_message_is_there(self, worker: Worker):
        result = jobs.fail.using(max_attempts=1).enqueue()
        worker.run()
        worker.later(3 * 86_400)
        result.refresh()
        assert (result.status, len(result.errors)) == (FAILED, 1)

    def test_goes_a_turn_at_a_time(self, worker: Worker):
        for n in range(3):
            jobs.add.enqueue(n)
        worker.run()
        worker.time.advance(86_401)
        assert [perform(stored.forget, 2) for _ in range(3)] == [2, 1, 0]

    def test_of_a_message_that_was_deleted_is_none_unless_it_had_failed(self, worker: Worker):
        fresh, failed = jobs.add.enqueue(1), jobs.fail.enqueue()
        perform(control.delete_message, "default", message(fresh).pk)
        worker.run()
        perform(control.delete_message, "default", message(failed).pk)
        failed.refresh()
        assert (failed.status, len(failed.errors)) == (FAILED, 1)
        with pytest.raises(TaskResultDoesNotExist):
            fresh.refresh()

    def test_is_redacted_with_its_message(self, worker: Worker):
        result = jobs.add.enqueue(1)
        worker.run()
        perform(redaction.redact, "default", int(result.id.partition("-")[0]), by="ann")
        assert not Result.objects.exists()

    def test_costs_queues_without_tasks_nothing(self, worker: Worker):
        queues.publish("default", 1)
        queues.settle(ack=queues.receive("default"))
        assert not Result.objects.exists()

    def test_has_a_bounded_number_of_errors_and_of_characters(self, worker: Worker):
        result = jobs.fail.using(max_attempts=99, backoff=1).enqueue("x" * 50_000)
        for _ in range(25):
            worker.run()
            worker.later(1)
        result.refresh()
        assert (result.attempts, len(result.errors)) == (25, 20)
        assert all(len(error.traceback) < 21_000 for error in result.errors)


def test_people_see_a_task_and_what_came_of_it(worker: Worker):
    browser = Client()
    browser.force_login(User.objects.create_superuser("admin"))

    def page(result: Any) -> str:
        place = ["default", int(result.id.partition("-")[0])]
        return unescape(browser.get(reverse("brokerweb_console:message", args=place)).content.decode())

    done, failed = jobs.tell.enqueue(), jobs.fail.using(max_attempts=1).enqueue()
    assert '"task": "tests.tasks.jobs.tell"' in page(done)
    worker.run()
    assert f'"value": {{\n    "id": "{done.id}"' in page(done)  # of a message that has ended
    assert "ValueError: out of stock" in page(failed)
    assert failed.id.partition("-")[2] in page(failed)
