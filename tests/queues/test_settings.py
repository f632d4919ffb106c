"""Settings of queues: one table, all errors at once, null resets."""

from __future__ import annotations

import pytest

from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.queues import control, settings
from brokerweb.queues.definitions import find
from brokerweb.queues.models import Queue
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import transaction
from tests.queues.bench import Bench

pytestmark = pytest.mark.django_db


def errors_of(given: dict[str, object]) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        settings.validate(given)
    return {e["pointer"]: e["detail"] for e in raised.value.extra["errors"]}


def test_the_tables_defaults_are_the_models() -> None:
    fresh = Queue()
    for setting in [*settings.SETTINGS.values(), *settings.BACKOFF.values()]:
        assert getattr(fresh, setting.column) == setting.default


def test_a_new_queue_has_the_contracts_defaults() -> None:
    assert settings.to_dict(Bench().row) == {
        "lease": 30,
        "max_failures": 10,
        "backoff": {"initial": 1, "factor": 2, "max": 3600, "jitter": 0.15},
        "keyed": False,
        "ttl": None,
        "on_expire": "drop",
        "max_length": None,
        "overflow": "refuse",
        "dedup_window": 300,
        "max_body_bytes": 1_048_576,
        "history": "failures",
        "keep_settled": 0,
        "expires": None,
        "dead_retention": None,
        "search": [],
    }


def test_all_errors_come_at_once_with_pointers() -> None:
    found = errors_of({"lease": 0, "keyed": "yes", "backoff": {"initial": -1, "speed": 1}, "colour": 1, "a/b~": 2})
    assert set(found) == {"/lease", "/keyed", "/backoff/initial", "/backoff/speed", "/colour", "/a~1b~0"}
    assert found["/colour"] == "is not a setting"


@pytest.mark.parametrize("value", [True, "4", 4.0, 0, 1_000_001, [4]])
def test_integers_are_strict(value: object) -> None:
    assert list(errors_of({"max_failures": value})) == ["/max_failures"]


@pytest.mark.parametrize("value", [True, "30", 0.5, 43_201, float("nan"), float("inf"), 10**400, {}])
def test_durations_are_finite_numbers_in_their_range(value: object) -> None:
    assert list(errors_of({"lease": value})) == ["/lease"]


@pytest.mark.parametrize("given", [{"history": "full"}, {"keep_settled": 60}, {"keep_settled": False}])
def test_what_is_planned_is_refused_until_then(given: dict[str, object]) -> None:
    [detail] = errors_of(given).values()
    assert "planned" in detail


def test_what_is_planned_is_taken_at_its_present_value() -> None:
    assert settings.validate({"history": "failures", "keep_settled": 0}) == {"history": "failures", "keep_settled": 0}


@pytest.mark.parametrize("backoff", [[], 5, "fast"])
def test_backoff_is_an_object(backoff: object) -> None:
    assert list(errors_of({"backoff": backoff})) == ["/backoff"]


def test_named_parts_of_backoff_change_and_the_others_stay() -> None:
    bench = Bench(backoff={"initial": 5, "max": 60})
    perform(control.declare, "orders", {"backoff": {"factor": 3}})
    assert settings.to_dict(bench.row)["backoff"] == {"initial": 5, "factor": 3, "max": 60, "jitter": 0.15}
    perform(control.declare, "orders", {"backoff": {"initial": None}})
    assert settings.to_dict(bench.row)["backoff"]["initial"] == 1
    perform(control.declare, "orders", {"backoff": None})
    assert settings.to_dict(bench.row)["backoff"] == {"initial": 1, "factor": 2, "max": 3600, "jitter": 0.15}


def test_null_resets_and_only_what_is_named_changes() -> None:
    bench = Bench(lease=60, ttl=0.5, max_failures=3)
    queue, created = perform(control.declare, "orders", {"max_failures": None})
    assert (created, queue.lease, queue.ttl, queue.max_failures) == (False, 60, 0.5, None)
    assert settings.to_dict(bench.row)["ttl"] == 0.5


def test_patch_of_an_absent_queue_creates_nothing() -> None:
    with pytest.raises(NotFound):
        perform(control.declare, "orders", {}, create=False)
    assert not Queue.objects.exists()


def test_an_invalid_name_is_refused() -> None:
    with pytest.raises(Invalid):
        perform(control.declare, ".hidden", {})


def test_keyed_changes_only_while_the_queue_is_empty() -> None:
    bench = Bench()
    bench.publish(1)
    with pytest.raises(Conflict):
        perform(control.declare, "orders", {"keyed": True})
    perform(control.declare, "orders", {"keyed": False, "lease": 5})
    bench.settle("ack", bench.lease())
    perform(control.declare, "orders", {"keyed": True})
    assert bench.row.keyed


def test_a_changed_definition_counts_at_once_in_the_same_transaction() -> None:
    Bench()
    with transaction() as tx:
        assert find(tx, "orders").lease == 30
        control.declare(tx, "orders", {"lease": 45})
        assert find(tx, "orders").lease == 45
        assert tx.outcome.changed
