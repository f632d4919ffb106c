"""Each verdict of a message, brought about by clients, and the sentence read."""

from __future__ import annotations

from brokerweb.answers import verdicts
from tests.answers.clients import publish, receive, rels, socket, why
from tests.clients import Rest
from tests.eventually import eventually
from tests.server import Server


def test_paused(rest: Rest, queue: str) -> None:
    [id] = publish(rest, queue, 1)
    rest.call("POST", f"/queues/{queue}/pause", {"reason": "deploy of the shop"})
    verdict = why(rest, queue, id)
    assert verdict["code"] == "paused"
    assert f"paused {queue}" in verdict["text"]
    assert "deploy of the shop" in verdict["text"]
    assert verdict["facts"]["reason"] == "deploy of the shop"
    assert verdict["facts"]["paused_at"] <= verdict["since_at"]
    assert verdict["facts"]["also"] == ["no_consumer"]
    assert verdict["see"][0] == {
        "rel": "resume",
        "href": f"/api/v1/queues/{queue}/resume",
        "text": f"Resume {queue}",
        "method": "POST",
    }


def test_no_consumer_ever(rest: Rest, queue: str) -> None:
    [id] = publish(rest, queue, 1)
    verdict = why(rest, queue, id)
    assert (verdict["code"], verdict["facts"]["last_consumer_at"], verdict["facts"]["last_consumer"]) == (
        "no_consumer",
        None,
        None,
    )
    assert verdict["text"] == f"Nobody consumes {queue}. Nobody ever has."


def test_no_consumer_any_more(rest: Rest, server: Server, queue: str) -> None:
    with socket(server, "till-1") as till:
        till.consume(queue)
    eventually(lambda: rest.queue(queue)["consumers"] == 0)
    [id] = publish(rest, queue, 1)
    verdict = why(rest, queue, id)
    assert (verdict["code"], verdict["facts"]["last_consumer"]) == ("no_consumer", "till-1")
    assert verdict["facts"]["last_consumer_at"] is not None
    assert "till-1 was the last, " in verdict["text"]


def test_consumers_full(rest: Rest, server: Server, queue: str) -> None:
    with socket(server, "till-1") as till:
        till.consume(queue, prefetch=2)
        *_, id = publish(rest, queue, 1, 2, 3)
        till.receive()
        verdict = why(rest, queue, id)
        assert verdict["code"] == "consumers_full"
        assert f"Every consumer of {queue} has as many messages as it may hold: till-1 holds 2 of 2" in verdict["text"]
        [consumer] = verdict["facts"]["consumers"]
        assert (consumer["client"], consumer["prefetch"], consumer["unsettled"], consumer["last_settled_at"]) == (
            "till-1",
            2,
            2,
            None,
        )
        assert verdict["facts"]["silent"] >= 0
        assert rels(verdict)[0] == "close"
        rest.call("DELETE", f"/connections/{consumer['connection']}")
        eventually(lambda: why(rest, queue, id)["code"] == "no_consumer")


def test_alone(rest: Rest, server: Server, queue: str) -> None:
    with socket(server, "till-1") as till, socket(server, "till-2") as other:
        till.consume(queue, prefetch=5)
        publish(rest, queue, 1)
        till.receive()
        other.consume(queue, prefetch=5)
        [id] = publish(rest, queue, 2)
        assert other.receive()["messages"][0]["id"] == id
        other.cut()
        verdict = eventually(lambda: (found := why(rest, queue, id))["code"] == "alone" and found)
        assert "Its last consumer was lost with it" in verdict["text"]
        assert (verdict["facts"]["holders"], verdict["facts"]["free"]) == (1, 0)


def test_waiting_and_next(rest: Rest, queue: str) -> None:
    first, second, third, low = *publish(rest, queue, 1, 2, 3), *publish(rest, queue, 4, priority=0)
    assert [m["id"] for m in receive(rest, queue, "till-1", max=1)] == [first]
    assert (why(rest, queue, second)["code"], why(rest, queue, second)["facts"]["ahead"]) == ("next", 0)
    verdict = why(rest, queue, third)
    assert (verdict["code"], verdict["facts"]["ahead"]) == ("waiting", 1)
    assert verdict["text"].startswith("1 message is before it")
    assert why(rest, queue, low)["facts"]["ahead"] == 2
    listed = rest.call("GET", f"/queues/{queue}/messages", None, verdict="true", state="ready")["items"]
    assert [item["verdict"]["facts"]["ahead"] for item in listed] == [0, 1, 2]


def test_waiting_says_when_its_turn_comes(rest: Rest, queue: str) -> None:
    *_, last = publish(rest, queue, *range(9))
    taken = receive(rest, queue, "till-1", max=5)
    rest.settle(queue, ack=[message["receipt"] for message in taken])
    facts = why(rest, queue, last)["facts"]
    assert facts["ahead"] == 3
    assert facts["rate"] > 0
    assert abs(facts["eta"] - 4 / facts["rate"]) < 0.2


def test_not_due(rest: Rest, queue: str) -> None:
    [id] = publish(rest, queue, 1, delay=90)
    verdict = why(rest, queue, id)
    assert (verdict["code"], verdict["text"]) == ("not_due", "It was published for later, and is due in 1 minute.")
    assert verdict["facts"]["due_at"] == rest.call("GET", f"/queues/{queue}/messages/{id}")["due_at"]


def test_backing_off(rest: Rest, queue: str) -> None:
    [id] = publish(rest, queue, 1)
    [message] = receive(rest, queue, "till-1")
    error = "Traceback (most recent call last):\n  File x\nConnectionError: no answer"
    rest.settle(queue, nack=[{"receipt": message["receipt"], "delay": 60, "error": error}])
    verdict = why(rest, queue, id)
    assert verdict["code"] == "backing_off"
    assert (
        verdict["text"]
        == "It failed 1 of 10 times, last with till-1, and is tried again in 59 seconds: “ConnectionError: no answer”."
    )
    facts = verdict["facts"]
    assert (facts["failures"], facts["max_failures"], facts["last_error"], facts["client"]) == (1, 10, error, "till-1")
    assert rels(verdict)[0] == "requeue"


def test_key_blocked(rest: Rest, name: str) -> None:
    rest.declare(name, keyed=True)
    head, second, third = publish(rest, name, 1, 2, 3, key="acct-0")
    assert why(rest, name, third)["facts"]["head"] == {"id": head, "state": "ready", "verdict": "no_consumer"}
    receive(rest, name, "till-1")
    verdict = why(rest, name, third)
    assert (verdict["code"], verdict["facts"]["key"], verdict["facts"]["ahead"]) == ("key_blocked", "acct-0", 2)
    assert verdict["facts"]["head"] == {"id": head, "state": "leased", "verdict": "leased"}
    assert verdict["text"] == f"Message {head} of its key acct-0 goes first, behind 2 messages; that one is with a consumer."
    assert verdict["see"][0]["href"] == f"/api/v1/queues/{name}/messages/{head}"
    assert why(rest, name, second)["facts"]["ahead"] == 1


def test_leased_by_a_caller(rest: Rest, queue: str) -> None:
    [id] = publish(rest, queue, 1)
    [message] = receive(rest, queue, "till-1", lease=90)
    verdict = why(rest, queue, id)
    facts = verdict["facts"]
    assert (verdict["code"], facts["client"], facts["connection"], facts["extended"]) == ("leased", "till-1", None, 0)
    assert facts["leased_at"] == verdict["since_at"] < facts["lease_until_at"]
    assert "till-1 has it" in verdict["text"]
    assert "1 minute of its lease are left" in verdict["text"]
    rest.settle(queue, extend=[{"receipt": message["receipt"], "lease": 200}])
    rest.settle(queue, extend=[{"receipt": message["receipt"], "lease": 200}])
    facts = why(rest, queue, id)["facts"]
    assert facts["extended"] == 2
    rest.settle(queue, release=[message["receipt"]])
    receive(rest, queue, "till-2")
    again = why(rest, queue, id)["facts"]
    assert (again["client"], again["extended"], again["attempts"]) == ("till-2", 0, 2)
    assert again["leased_at"] > facts["leased_at"]


def test_leased_by_a_subscription(rest: Rest, server: Server, queue: str) -> None:
    with socket(server, "till-1") as till:
        till.consume(queue)
        [id] = publish(rest, queue, 1)  # handed over in its publish
        till.receive()
        verdict = why(rest, queue, id)
        [connection] = [c["id"] for c in rest.call("GET", "/connections")["items"] if c["client"] == "till-1"]
        assert (verdict["facts"]["client"], verdict["facts"]["connection"]) == ("till-1", connection)
        assert verdict["facts"]["leased_at"] is not None
        assert rels(verdict)[0] == "close"


def test_expiring_while_somebody_has_it(rest: Rest, queue: str) -> None:
    [id] = publish(rest, queue, 1, ttl=0.2)
    receive(rest, queue, "till-1", lease=60)
    verdict = eventually(lambda: (found := why(rest, queue, id))["code"] == "expiring" and found)
    assert verdict["facts"]["also"] == ["leased"]
    assert "while till-1 has it" in verdict["text"]


def test_dead(rest: Rest, name: str) -> None:
    rest.declare(name, max_failures=1)
    [id] = publish(rest, name, 1)
    [message] = receive(rest, name, "till-1")
    rest.settle(name, nack=[{"receipt": message["receipt"], "error": "429 Too Many Requests"}])
    verdict = why(rest, name, id)
    assert verdict["code"] == "dead"
    assert verdict["text"] == "It failed as often as it may, 1 time, last with till-1: “429 Too Many Requests”."
    facts = verdict["facts"]
    assert (facts["reason"], facts["last_error"], facts["failures"]) == ("max_failures", "429 Too Many Requests", 1)
    assert facts["dead_at"] == verdict["since_at"]
    assert rels(verdict)[0] == "requeue"


def test_a_list_has_verdicts_where_they_are_asked_for(rest: Rest, queue: str) -> None:
    publish(rest, queue, 1, 2)
    assert all("verdict" not in item for item in rest.call("GET", f"/queues/{queue}/messages")["items"])
    listed = rest.call("GET", f"/queues/{queue}/messages", None, verdict="true")["items"]
    assert [item["verdict"]["code"] for item in listed] == ["no_consumer"] * 2
    for path in (f"/queues/{queue}/messages", "/queues"):
        refused = rest.http.get(path, params={"verdict": "true", "limit": 201})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/limit")
        assert rest.http.get(path, params={"verdict": "perhaps"}).json()["errors"][0]["pointer"] == "/verdict"


def test_what_became_of_a_message_that_is_kept() -> None:
    verdict = verdicts.settled("acked", at=1_800_000_000_000_000, by="till-1", seconds=61.2345)
    assert (verdict.code, verdict.text) == ("settled", "It was acknowledged by till-1, 1 minute after it was published.")
    assert verdict.facts["seconds"] == 61.234
    assert verdict.as_json()["since_at"] == verdict.facts["at"] == "2027-01-15T08:00:00.000000Z"
