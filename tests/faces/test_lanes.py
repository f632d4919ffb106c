"""Commands of one connection keep their order, whichever others they are run with."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from brokerweb.faces.brokerweb_v1.language import BrokerwebV1
from brokerweb.faces.websocket.language import Outbox
from brokerweb.identity.principal import Principal
from tests.delivery.stage import Stage, hold, play, soon

pytestmark = pytest.mark.django_db(transaction=True)


class Said:
    """An outbox that keeps what it is given."""

    crowded = False

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []

    def frame(self, text: str | bytes) -> None:
        self.frames.append(json.loads(text))


def session(name: str) -> tuple[Any, Said]:
    said = Said()
    return BrokerwebV1().session(Principal(name, f"token:{name}", superuser=True), "127.0.0.1", cast(Outbox, said)), said


def publish(id: int, body: str) -> str:
    return json.dumps({"op": "publish", "id": id, "to": "queue:orders", "messages": [{"body": body}]})


def transact(id: int, body: str) -> str:
    return json.dumps({"op": "transact", "id": id, "publish": [{"to": "queue:orders", "messages": [{"body": body}]}]})


@pytest.mark.parametrize("publisher", ["ada", "grace"])
def test_a_publish_joins_none_that_is_before_what_its_own_connection_sent_first(publisher: str):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        (one, said), (other, heard) = session("ada"), session(publisher)
        held, holding = await hold()
        for frame in (publish(1, "first"), transact(2, "second"), publish(3, "third")):
            assert one.handle(frame) is None
        assert other.handle(publish(1, "other")) is None
        one._merging.flush()
        other._merging.flush()
        held.go_on.set()
        await holding
        await soon(lambda: len(said.frames) == 3 and len(heard.frames) == 1)
        assert [(frame["op"], frame["id"]) for frame in said.frames] == [("ok", 1), ("ok", 2), ("ok", 3)]
        client = await stage.client(prefetch=10)
        await client.has(4)
        assert [json.loads(body) for body in client.bodies if "other" not in body] == ["first", "second", "third"]
        for each in (one, other):
            each.end(clean=True)

    play(scene)


def test_acks_of_many_connections_are_one_statement_and_each_has_its_own_answer():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(8))
        client = await stage.client(prefetch=8)
        await client.has(8)
        receipts = [str(message.receipt) for message in client.got]
        sessions = [session(name) for name in ("ada", "grace", "mary")]
        held, holding = await hold()
        for (each, _), some in zip(sessions, (receipts[:3], receipts[3:6], [*receipts[6:], receipts[0]]), strict=True):
            assert each.handle(json.dumps({"op": "ack", "id": 1, "receipts": some})) is None
            each._merging.flush()
        held.go_on.set()
        await holding
        await soon(lambda: all(said.frames for _, said in sessions))
        assert [said.frames[0]["op"] for _, said in sessions] == ["ok", "ok", "error"], "one receipt twice: not by one statement"
        assert await stage.counts() == {}
        for each, _ in sessions:
            each.end(clean=True)

    play(scene)
