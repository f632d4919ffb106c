"""What a project's settings declare is there after migrate and at every start, and what people changed stays theirs."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from brokerweb import conf, queues
from brokerweb.identity.models import AuditEntry
from brokerweb.project_checks import check_declared
from brokerweb.queues.models import Queue
from brokerweb.routing import declared
from brokerweb.routing.models import Topic
from brokerweb.streams import control as streams
from brokerweb.streams.models import Stream


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> None:
    if request.param == "postgres":
        request.getfixturevalue("on_postgres")


@pytest.fixture
def declare(settings: Any) -> Any:
    def declare(**given: Any) -> list[str]:
        settings.BROKERWEB = {**{name: value for name, value in settings.BROKERWEB.items() if name not in conf.DECLARED}, **given}
        return declared.apply()

    return declare


def queue(name: str = "orders") -> Queue:
    return Queue.objects.get(name=name, deleted_at=None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("database")
class TestWhatIsDeclared:
    def test_is_made_once_and_bound_to_what_is_declared_beside_it(self, declare: Any):
        bindings = [{"pattern": "#", "to": "queue:orders"}, {"pattern": "a.*", "to": "stream:events", "headers": {"x": "1"}}]
        given = {
            "queues": {"orders": {"max_failures": 5, "backoff": {"initial": 2}, "search": ["$.order"]}},
            "streams": {"events": {"partitions": 3}},
            "topics": {"news": {"bindings": bindings, "unrouted": "drop"}},
        }
        assert declare(**given) == ["queue orders was made", "stream events was made", "topic news was made"]
        assert (queue().max_failures, queue().backoff_initial) == (5, 2)
        assert streams.describe(Stream.objects.get(name="events"))["partitions"] == 3
        assert declare(**given) == []
        assert Topic.objects.get(name="news").bindings.count() == 2

    def test_changes_with_its_declaration(self, declare: Any):
        declare(queues={"orders": {"max_failures": 5, "lease": 20}})
        assert declare(queues={"orders": {"max_failures": 6, "lease": 20}}) == [
            "queue orders: max_failures is 6 now, as declared"
        ]
        assert (queue().max_failures, queue().lease) == (6, 20)
        _, changed = AuditEntry.objects.filter(target="queue:orders").order_by("pk")
        assert (changed.actor, changed.detail["before"], changed.detail["after"]) == (
            "the project's settings",
            {"max_failures": 5},
            {"max_failures": 6},
        )

    def test_stays_as_a_person_has_made_it_and_that_is_said_every_time(self, declare: Any):
        declare(queues={"orders": {"max_failures": 5, "lease": 20}})
        queues.declare("orders", max_failures=9)
        stays = ["queue orders: max_failures stays 9, though 5 is declared"]
        assert declare(queues={"orders": {"max_failures": 5, "lease": 20}}) == stays
        assert declare(queues={"orders": {"max_failures": 5, "lease": 25}}) == [
            "queue orders: lease is 25 now, as declared",
            *stays,
        ]
        assert (queue().max_failures, queue().lease) == (9, 25)

    def test_wins_where_it_is_enforced(self, declare: Any):
        queues.declare("orders", max_failures=9)
        assert declare(queues={"orders": {"max_failures": 5}}) == ["queue orders: max_failures stays 9, though 5 is declared"]
        declare(queues={"orders": {"max_failures": 5, "enforce": True}})
        assert queue().max_failures == 5

    def test_is_not_deleted_with_its_declaration(self, declare: Any):
        declare(queues={"orders": {}}, topics={"news": {}})
        assert declare() == []
        assert queue()
        assert Topic.objects.filter(name="news").exists()

    def test_says_what_cannot_be_and_goes_on(self, declare: Any):
        declare(queues={"orders": {"keyed": False}})
        queues.publish("orders", 1)
        [kept, made] = declare(queues={"orders": {"keyed": True}, "others": {}})
        assert kept.startswith("queue orders is not as declared: keyed changes only while the queue is empty")
        assert made == "queue others was made"

    def test_comes_with_migrate(self, declare: Any, settings: Any):
        settings.BROKERWEB = {**settings.BROKERWEB, "queues": {"orders": {}}}
        out = StringIO()
        call_command("migrate", verbosity=0, stdout=out)
        assert queue()
        assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"queues": {"orders": {"max_failurs": 5}}}, "max_failurs"),
        ({"queues": {"bad name": {}}}, "bad name"),
        ({"streams": {"events": {"partitions": 0}}}, "partitions"),
        ({"topics": {"news": {"bindings": [{"pattern": "#"}]}}}, "bindings"),
        ({"queues": ["orders"]}, "must be a dictionary of settings by name"),
        ({"queues": {"orders": {"enforce": "no"}}}, "enforce must be True or False"),
    ],
)
def test_a_declaration_that_cannot_be_is_known_before(settings: Any, given: dict[str, Any], said: str):
    settings.BROKERWEB = given
    [error] = check_declared(None)
    assert (error.id, said in error.msg) == ("brokerweb.E008", True)


def test_what_is_well_declared_is_no_option_and_no_error(settings: Any):
    settings.BROKERWEB = {"queues": {"orders": {"enforce": True, "lease": 5}, "plain": None}}
    assert check_declared(None) == []
    assert conf.read({}, settings.BROKERWEB) == conf.Conf()
