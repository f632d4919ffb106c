"""Every instant there is, by what its clock is: what lasts is of the broker's, what people state and what is stamped of the wall.

The wall is set forward and back, by an hour and by years, while each is under way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User

from brokerweb.core import clock
from brokerweb.delivery.connections import Connection
from brokerweb.delivery.verbs import Verbs
from brokerweb.identity import audit, signin, tokens
from brokerweb.identity.principal import broker_itself
from brokerweb.identity.signin import CODE_LASTS
from brokerweb.queues import control, duties
from brokerweb.routing import topics
from brokerweb.storage.fields import BrokerInstantField, InstantField
from brokerweb.storage.run import perform
from brokerweb.streams import engine as streams
from brokerweb.streams.models import Record
from brokerweb.streams.records import NewRecord
from tests.clocks.lasting import LASTING, Lasting
from tests.clocks.machine import START, Machine
from tests.clocks.stated import STATED, Come
from tests.queues.bench import Bench, states
from tests.routing.bench import declare_stream

pytestmark = pytest.mark.django_db

HOUR, DAY, YEARS = 3600, 86_400, 3 * 365 * 86_400
STEPS = [HOUR, -2 * HOUR, DAY, YEARS, -YEARS]
(ADR,) = (Path(__file__).resolve().parents[2] / "docs" / "adr").glob("*-two-clocks.md")


@pytest.fixture
def pc(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine().installed(monkeypatch)
    clock.install(clock.Clock())
    return machine


def columns() -> dict[str, type]:
    found = {}
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, InstantField):
                found[f"{model.__name__}.{field.name}"] = type(field)
    return found


def test_of_every_instant_it_is_written_which_clock_it_is_of() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| (broker|wall)\b", ADR.read_text(), re.M)
    clocks = {"broker": BrokerInstantField, "wall": InstantField}
    assert {name: clocks[of] for name, of in rows} == columns()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("begin", LASTING, ids=lambda begin: begin.__name__)
def test_what_lasts_lasts_as_long_whatever_the_wall_does(pc: Machine, begin: Callable[[], Lasting], step: float) -> None:
    seconds, runs = begin()
    pc.pass_time(seconds / 2)
    assert runs()
    pc.set_wall(step)
    assert runs()
    pc.pass_time(seconds / 2 - 0.1)
    assert runs()
    pc.pass_time(0.2)
    assert not runs()


@pytest.mark.parametrize("begin", LASTING, ids=lambda begin: begin.__name__)
def test_what_lasts_lasts_as_long_while_the_wall_goes_there_and_back(pc: Machine, begin: Callable[[], Lasting]) -> None:
    seconds, runs = begin()
    for step in (HOUR, -HOUR, DAY, -DAY, YEARS, -YEARS):
        pc.set_wall(step)
        assert runs()
        pc.pass_time(seconds / 8)
    pc.pass_time(seconds / 4 - 0.1)
    assert runs()
    pc.pass_time(0.2)
    assert not runs()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("begin", STATED, ids=lambda begin: begin.__name__)
def test_what_is_stated_comes_when_the_wall_shows_it(pc: Machine, begin: Callable[[], Come], step: float) -> None:
    come, at = begin(), pc.wall + clock.seconds(CODE_LASTS)
    pc.pass_time(10)
    assert not come()
    pc.set_wall(step)
    if step > 0:
        assert come()
    elif begin.__name__ != "end_of_a_sign_in_code":  # one of the future is none
        pc.pass_time(CODE_LASTS)
        assert not come()
        pc.wall = at - clock.SECOND
        assert not come()
    pc.wall = at
    assert come()


# Stamps


def _record() -> int:
    declare_stream("events")
    perform(streams.append, "events", [NewRecord(b"1")])
    return clock.from_datetime(Record.objects.get().appended_at)


def _stamps() -> dict[str, Callable[[], object]]:
    queue, ada = Bench(), User.objects.create_user("ada")

    def paused() -> object:
        return perform(control.pause, "orders", reason="", by="ada").paused_at

    def failed() -> object:
        queue.do(control.resume)
        queue.publish(1)
        queue.settle("nack", queue.lease())
        return apps.get_model("brokerweb_queues", "Failure").objects.latest("id").failed_at

    def last(app: str, model: str, field: str, make: Callable[[], object]) -> Callable[[], object]:
        def stamp() -> object:
            make()
            return getattr(apps.get_model(app, model).objects.latest("pk"), field)

        return stamp

    grants = [{"pattern": "*", "verbs": ["browse"]}]
    make_token = lambda: tokens.create(broker_itself(), {"name": "shop", "grants": grants})
    queues, identity = "brokerweb_queues", "brokerweb_identity"
    return {
        "a queue": last(queues, "Queue", "created_at", lambda: Bench("another")),
        "a message": last(queues, "Message", "published_at", lambda: queue.publish(1)),
        "a pause": paused,
        "a failure": failed,
        "a record": lambda: clock.to_datetime(_record()),
        "a topic": last("brokerweb_routing", "Topic", "created_at", lambda: perform(topics.declare, "shop", {})),
        "a token": last(identity, "Token", "created_at", make_token),
        "a code": last(identity, "SignInCode", "created_at", lambda: signin.create_code(ada)),
        "an audit entry": last(identity, "AuditEntry", "at", lambda: audit.record("ada", "x", "y")),
        "a connection": lambda: clock.to_datetime(Connection(None, Verbs(), broker_itself(), "", "").connected_at),  # type: ignore[arg-type]  # a connection that sends nothing
    }


@pytest.mark.parametrize("step", STEPS)
def test_what_is_stamped_bears_the_walls_time(pc: Machine, step: float) -> None:
    made = _stamps()
    pc.set_wall(step)
    assert {name: make() for name, make in made.items()} == dict.fromkeys(made, clock.to_datetime(pc.wall))


# What is shown


@pytest.mark.parametrize("step", STEPS)
def test_an_instant_of_the_brokers_clock_is_shown_as_the_wall_names_it(pc: Machine, step: float) -> None:
    bench = Bench(lease=60)
    leased, delayed, stated = bench.publish(1, 2, 3)
    bench.do(control.reschedule, delayed, due_at=clock.now() + clock.seconds(100))
    bench.do(control.reschedule, stated, deliver_at=pc.wall + clock.seconds(100))
    bench.lease()
    at = pc.wall
    pc.set_wall(step)
    clock.instants()
    rows = {row.pk: row for row in apps.get_model("brokerweb_queues", "Message").objects.all()}
    assert rows[leased].due_at == rows[leased].due == clock.to_datetime(pc.wall + clock.seconds(60))
    assert rows[delayed].due == clock.to_datetime(pc.wall + clock.seconds(100))
    assert rows[stated].due == clock.to_datetime(at + clock.seconds(100))
    now = clock.to_datetime(pc.wall + clock.seconds(90))
    assert [row.pk for row in type(rows[leased]).objects.filter(due_at__lt=now, deliver_at=None)] == [leased]


def test_a_ttl_counts_from_when_the_wall_shows_that_the_message_is_due(pc: Machine) -> None:
    bench = Bench()
    (id,) = bench.publish(1, deliver_at=pc.wall + clock.seconds(100), ttl=60)
    row = apps.get_model("brokerweb_queues", "Message").objects.get(pk=id)
    assert (row.expires_at, row.expires) == (None, clock.to_datetime(START + clock.seconds(160)))
    pc.set_wall(-HOUR)
    pc.pass_time(200)
    assert states(id) == ["scheduled"]
    pc.set_wall(HOUR)
    perform(control.reschedule, "orders", id, due_at=0)
    row.refresh_from_db()
    assert (row.deliver_at, row.expires_at) == (None, clock.to_datetime(pc.wall + clock.seconds(60)))


def test_a_message_whose_instant_the_wall_was_set_beyond_is_due_since_then(pc: Machine) -> None:
    """Its ttl is whole: nobody could have had it before."""
    bench = Bench()
    (id,) = bench.publish(1, deliver_at=pc.wall + clock.seconds(100), ttl=60)
    pc.set_wall(DAY)
    for duty in (duties.promote, duties.expire_messages):
        perform(duty)
    assert states(id) == ["ready"]
    pc.pass_time(60)
    perform(duties.expire_messages)
    assert states(id) == ["gone"]


def test_what_is_due_by_either_clock_falls_due_in_the_order_of_its_instants(pc: Machine) -> None:
    bench = Bench(keyed=True)
    ids = [
        *bench.publish(1, key="a", delay=30),
        *bench.publish(2, key="a", deliver_at=pc.wall + clock.seconds(20)),
        *bench.publish(3, key="a", delay=10),
    ]
    pc.pass_time(60)
    last = bench.publish(4, key="a")
    order = []
    while leased := bench.lease():
        order += [message.id for message in leased]
        bench.settle("ack", leased)
    assert order == [*reversed(ids), *last]
