"""Whatever operators and consumers do in whatever order: counts are exact, keys have one head, and nothing is left over."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from brokerweb.core import clock
from brokerweb.core.errors import Conflict
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import browse, control, duties
from brokerweb.queues.filters import parse
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Failure, Message
from brokerweb.queues.states import State
from brokerweb.storage.run import perform
from tests.queues.bench import Bench, Time

pytestmark = pytest.mark.django_db

SELECTIONS = [{"state": "ready"}, {"state": "blocked"}, {"state": "leased"}, {"state": "dead"}, {"key": "a"}, {}]


class Operators:
    """Random deeds on two queues, one of them keyed, with a clock that moves between them."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.time = Time()
        clock.install(self.time)
        settings = {"max_failures": 2, "ttl": 30}
        self.benches = [Bench("plain", **settings), Bench("keyed", keyed=True, on_expire="dead", **settings)]
        self.deeds: list[Callable[[Bench], object]] = [
            self.publish, self.publish, self.publish, self.consume, self.consume, self.wait, self.purge, self.redrive,
            self.touch, self.touch, self.touch,
        ]  # fmt: skip

    def publish(self, bench: Bench) -> None:
        for _ in range(self.dice.randrange(1, 5)):
            key, delay = self.dice.choice([None, "a", "b"]), self.dice.choice([None, None, 5])
            bench.publish(1, key=key, delay=delay, priority=self.dice.randrange(10))

    def consume(self, bench: Bench) -> None:
        kind = self.dice.choice(["ack", "nack", "release", "dead"])
        bench.settle(kind, [m for m in bench.lease(self.dice.randrange(1, 5)) if self.dice.random() < 0.9])

    def wait(self, bench: Bench) -> None:
        self.time.advance(self.dice.choice([1, 10, 31]))
        for duty in (duties.promote, duties.expire_leases, duties.expire_messages):
            perform(duty)

    def purge(self, bench: Bench) -> None:
        if self.dice.random() < 0.3:
            chosen = parse(self.dice.choice(SELECTIONS))
            matched = browse.preview(bench.row, chosen, "purge", broker_itself())["matched"]
            assert control.purge_all(bench.name, chosen) == matched

    def redrive(self, bench: Bench) -> None:
        control.redrive_all(bench.name, to=self.dice.choice([None, "plain", "keyed"]))

    def touch(self, bench: Bench) -> None:
        """One verb on any one message; those that its state does not allow are conflicts."""
        page = browse.page(bench.row, parse({"order": self.dice.choice(["asc", "desc"])}), limit=8)
        if not page.items:
            return
        message_id = self.dice.choice(page.items).pk
        due_at = self.time.now() + clock.seconds(self.dice.choice([-1, 3]))
        try:
            self.dice.choice(
                [
                    lambda: bench.do(control.requeue, message_id),
                    lambda: bench.do(control.delete_message, message_id),
                    lambda: bench.do(control.reschedule, message_id, due_at=due_at),
                    lambda: bench.do(control.replace, message_id, NewMessage(b"2", key="a"), publisher=None),
                ]
            )()
        except Conflict:
            pass

    def check(self) -> None:
        for bench in self.benches:
            bench.counts()
        keyed = Message.objects.filter(queue_id=self.benches[1].row.pk, key__isnull=False)
        heads = set(keyed.filter(holds_key=True).values_list("key", flat=True))
        assert set(keyed.filter(state=State.BLOCKED).values_list("key", flat=True)) <= heads
        assert not keyed.filter(state__in=[State.READY, State.LEASED], holds_key=False).exists()
        assert not Message.objects.filter(queue_id=self.benches[0].row.pk, holds_key=True).exists()
        assert not Failure.objects.exclude(message_id__in=Message.objects.values("pk")).exists()


@pytest.mark.parametrize("seed", range(2))
def test_the_books_balance_after_every_deed(seed: int) -> None:
    operators = Operators(seed)
    for _ in range(80):
        operators.dice.choice(operators.deeds)(operators.dice.choice(operators.benches))
        operators.check()
