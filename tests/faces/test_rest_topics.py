"""Topics and transactions over REST."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest

from brokerweb.faces.codec import answers
from brokerweb.faces.rest import topic_shapes
from tests.clients import Json, Rest
from tests.faces.test_rest_access import made
from tests.faces.test_rest_queues import refusal
from tests.faces.test_rest_streams import append
from tests.server import Server


@pytest.fixture
def stream(rest: Rest, name: str) -> str:
    rest.call("PUT", f"/streams/{name}")
    return name


@pytest.fixture
def topic(rest: Rest, queue: str, stream: str) -> str:
    """A topic of the name of its queue and its stream."""
    bindings = [
        {"pattern": "orders.*.created", "to": f"queue:{queue}"},
        {"pattern": "orders.#", "to": f"stream:{stream}", "headers": {"kind": "b"}},
    ]
    rest.call("PUT", f"/topics/{queue}", {"bindings": bindings})
    return queue


def publish(rest: Rest, topic: str, *messages: Json) -> list[Json]:
    answer = rest.call("POST", f"/topics/{topic}/messages", {"messages": list(messages)})
    msgspec.convert(answer, answers.TopicPublishAnswer)
    return list(answer["results"])


def test_a_topic_is_declared_changed_read_listed_and_deleted(rest: Rest, name: str, queue: str) -> None:
    answer = rest.http.put(f"/topics/{name}", json={"bindings": [{"pattern": "a.#", "to": f"queue:{queue}"}]})
    assert answer.status_code == 201
    msgspec.convert(answer.json(), topic_shapes.Topic)
    assert answer.json()["bindings"] == [{"pattern": "a.#", "to": f"queue:{queue}", "headers": {}}]
    again = rest.http.put(f"/topics/{name}", json={"unrouted": "drop"})
    assert (again.status_code, again.json()["unrouted"], len(again.json()["bindings"])) == (200, "drop", 1)
    assert rest.call("PATCH", f"/topics/{name}", {"unrouted": None})["unrouted"] == "refuse"
    assert rest.call("GET", "/topics", None, prefix=name)["items"] == [rest.call("GET", f"/topics/{name}")]
    assert rest.call("DELETE", f"/topics/{name}") is None
    for method, path in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", "/route"), ("POST", "/messages")):
        body = {"messages": [{"body": 1}]} if path == "/messages" else {}
        assert refusal(rest, method, f"/topics/{name}{path}", body).code == "not_found", (method, path)


def test_bindings_are_added_and_taken_away_by_themselves(rest: Rest, topic: str, queue: str) -> None:
    before = rest.call("GET", f"/topics/{topic}")["bindings"]
    more = [{"pattern": f"n.{n}", "to": f"queue:{queue}", "headers": {}} for n in range(2)]
    for _ in range(2):  # a repeat, after an answer that was lost, changes nothing
        added = rest.call("POST", f"/topics/{topic}/bindings", {"bindings": more})
        msgspec.convert(added, topic_shapes.Topic)
        assert added["bindings"] == [*before, *more]
    for _ in range(2):
        left = rest.call("DELETE", f"/topics/{topic}/bindings", {"bindings": [before[0], more[0]]})
        assert left["bindings"] == [before[1], more[1]]
    refused = refusal(rest, "POST", f"/topics/{topic}/bindings", {"bindings": [more[1], {"pattern": "a", "to": "queue:nothing"}]})
    assert (refused.code, refused.answer["errors"][0]["pointer"]) == ("not_found", "/bindings/1/to")
    assert refusal(rest, "DELETE", f"/topics/{topic}/bindings").code == "invalid"
    assert refusal(rest, "POST", "/topics/nothing/bindings", {"bindings": more}).code == "not_found"


def test_many_add_bindings_at_the_same_time_and_none_is_lost(rest: Rest, topic: str, queue: str) -> None:
    def add(n: int) -> Any:
        return rest.call("POST", f"/topics/{topic}/bindings", {"bindings": [{"pattern": f"n.{n}", "to": f"queue:{queue}"}]})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    patterns = [binding["pattern"] for binding in rest.call("GET", f"/topics/{topic}")["bindings"]]
    assert sorted(patterns[2:]) == sorted(f"n.{n}" for n in range(40))


def test_adding_a_binding_needs_publish_on_its_target_and_taking_one_away_does_not(
    rest: Rest, server: Server, topic: str
) -> None:
    rest.declare("theirs")
    bound = {"bindings": [{"pattern": "a", "to": "queue:theirs"}]}
    with Rest(server.url, made(rest, (f"topic:{topic}", ["manage"]))["token"]) as client:
        assert refusal(client, "POST", f"/topics/{topic}/bindings", bound).code == "forbidden"
        rest.call("POST", f"/topics/{topic}/bindings", bound)
        assert client.call("POST", f"/topics/{topic}/bindings", bound)["bindings"]  # nothing new
        assert len(client.call("DELETE", f"/topics/{topic}/bindings", bound)["bindings"]) == 2
    with Rest(server.url, made(rest, (f"topic:{topic}", ["browse"]))["token"]) as client:
        for method in ("POST", "DELETE"):
            assert refusal(client, method, f"/topics/{topic}/bindings", bound).code == "forbidden"


@pytest.mark.parametrize(
    ("binding", "code"),
    [
        ({"pattern": "#.#.#", "to": "queue:q"}, "invalid"),
        ({"pattern": "a", "to": "topic:t"}, "invalid"),
        ({"pattern": "a"}, "invalid"),
        ({"pattern": "a", "to": "queue:nobody-at-all"}, "not_found"),
    ],
)
def test_bindings_are_checked(rest: Rest, name: str, binding: Json, code: str) -> None:
    assert refusal(rest, "PUT", f"/topics/{name}", {"bindings": [binding]}).code == code


def test_binding_needs_publish_on_the_target(rest: Rest, server: Server) -> None:
    for target in ("mine.target", "theirs.target"):
        rest.declare(target)
    token = made(rest, ("topic:mine.*", ["manage"]), ("queue:mine.*", ["publish"]))["token"]
    with Rest(server.url, token) as manager:
        assert manager.call("PUT", "/topics/mine.t", {"bindings": [{"pattern": "#", "to": "queue:mine.target"}]})
        for target in ("theirs.target", "theirs.nobody"):
            bindings = [{"pattern": "#", "to": f"queue:{target}"}]
            assert refusal(manager, "PUT", "/topics/mine.t", {"bindings": bindings}).code == "forbidden"


def test_every_copy_is_stored_and_said(rest: Rest, topic: str) -> None:
    message = {"routing_key": "orders.eu.created", "headers": {"kind": "b"}, "body": 1, "dedup_id": "d"}
    (first,) = publish(rest, topic, message)
    assert [copy["to"] for copy in first["routed"]] == [f"queue:{topic}", f"stream:{topic}"]
    assert first["routed"][0]["id"].isdigit()
    assert first["routed"][1] == {"to": f"stream:{topic}", "partition": 0, "offset": "0"}
    assert publish(rest, topic, message) == [{**first, "duplicate": True}]
    assert [m["body"] for m in rest.receive(topic)] == [1]
    assert [r["body"] for r in rest.call("GET", f"/streams/{topic}/records")["records"]] == [1]


def test_what_nothing_matches_is_refused_or_dropped(rest: Rest, topic: str) -> None:
    messages = [{"routing_key": "orders.eu.created", "body": 1}, {"routing_key": "x", "body": 2}]
    refused = refusal(rest, "POST", f"/topics/{topic}/messages", {"messages": messages})
    assert (refused.status, refused.code, refused.answer["errors"][0]["pointer"]) == (
        422,
        "unroutable",
        "/messages/1/routing_key",
    )
    assert rest.receive(topic) == []
    rest.call("PUT", f"/topics/{topic}", {"unrouted": "drop"})
    assert publish(rest, topic, messages[1]) == [{"routed": [], "duplicate": False}]
    assert rest.call("GET", f"/topics/{topic}")["dropped"] == 1


def test_a_copy_that_is_refused_refuses_all(rest: Rest, topic: str) -> None:
    rest.declare(topic, max_length=1)
    message = {"routing_key": "orders.eu.created", "headers": {"kind": "b"}, "body": 1}
    refused = refusal(rest, "POST", f"/topics/{topic}/messages", {"messages": [message, message]})
    assert (refused.code, refused.answer["to"]) == ("queue_full", f"queue:{topic}")
    assert rest.call("GET", f"/streams/{topic}")["end"] == {"0": "0"}


def test_the_dry_run_says_where_and_why(rest: Rest, topic: str) -> None:
    answer = rest.call("POST", f"/topics/{topic}/route", {"routing_key": "orders.eu.created"})
    msgspec.convert(answer, topic_shapes.RouteAnswer)
    assert [route["to"] for route in answer["routed"]] == [f"queue:{topic}"]
    assert rest.call("POST", f"/topics/{topic}/route", {"routing_key": "x"}) == {"routed": [], "unrouted": "refuse"}
    assert rest.receive(topic) == []


def test_the_dry_run_takes_what_publishing_takes(rest: Rest, topic: str) -> None:
    path, keys = f"/topics/{topic}", ("orders.eu.created", "x", "orders.us.created")
    messages = [{"body": 1, "routing_key": key} for key in keys]
    answer = rest.call("POST", f"{path}/route", {"messages": messages})
    msgspec.convert(answer, topic_shapes.RouteAnswers)
    assert answer["results"] == [rest.call("POST", f"{path}/route", {"routing_key": key}) for key in keys]
    refused: list[dict[str, Any]] = [
        {"messages": messages, "routing_key": "a"},
        {"messages": [{"routing_key": "a"}]},
        {"messages": []},
    ]
    for wrong in refused:
        assert refusal(rest, "POST", f"{path}/route", wrong).code == "invalid"
    assert rest.receive(topic) == []


# Transactions


def transact(rest: Rest, **asked: Any) -> Json:
    answer = rest.call("POST", "/transact", asked)
    msgspec.convert(answer, answers.TransactAnswer)
    return dict(answer)


def test_settle_commit_and_publish_happen_together(rest: Rest, queue: str, stream: str, topic: str) -> None:
    append(rest, stream, 1, 2)
    rest.call("PUT", f"/streams/{stream}/groups/g", {"start": "earliest"})
    rest.publish(queue, {"body": "in"})
    (message,) = rest.receive(queue)
    asked = {
        "dedup_id": f"d-{queue}",
        "settle": {queue: {"ack": [message["receipt"]]}},
        "commit": [{"stream": stream, "group": "g", "offsets": {"0": "2"}}],
        "publish": [
            {"to": f"queue:{queue}", "messages": [{"body": "out", "priority": 9}]},
            {"to": f"stream:{stream}", "messages": [{"body": 3, "partition": 0}]},
            {"to": f"topic:{topic}", "messages": [{"body": 4, "routing_key": "orders.x.created"}]},
        ],
    }
    first = transact(rest, **asked)
    assert first["duplicate"] is False
    assert [part["to"] for part in first["publish"]] == [f"queue:{queue}", f"stream:{stream}", f"topic:{topic}"]
    assert first["publish"][1]["results"] == [{"partition": 0, "offset": "2", "duplicate": False}]
    assert transact(rest, **asked) == {**first, "duplicate": True}
    other = refusal(rest, "POST", "/transact", {**asked, "publish": []})
    assert (other.status, other.code, other.answer["pointer"]) == (409, "conflict", "/dedup_id")
    assert rest.call("GET", f"/streams/{stream}/groups/g")["committed"] == {"0": "2"}
    assert [m["body"] for m in rest.receive(queue)] == ["out", 4]


def test_a_part_that_fails_undoes_all_and_is_named(rest: Rest, queue: str, stream: str) -> None:
    out = {"to": f"queue:{queue}", "messages": [{"body": 1}]}
    rest.call("PUT", f"/streams/{stream}/groups/g", {"start": "earliest"})
    cases: list[tuple[Json, str, str]] = [
        ({"settle": {queue: {"ack": ["1-2-3"]}}}, "lease_lost", f"/settle/{queue}/ack/0"),
        ({"commit": [{"stream": stream, "group": "g", "offsets": {"0": "5"}}]}, "offset_out_of_range", "/commit/0"),
        ({"commit": [{"stream": stream, "group": "x", "offsets": {"0": "5"}}]}, "not_found", "/commit/0"),
        ({"publish": [out, {"to": "queue:nobody-at-all", "messages": [{"body": 1}]}]}, "not_found", "/publish/1"),
    ]
    for asked, code, pointer in cases:
        refused = refusal(rest, "POST", "/transact", {"publish": [out], **asked})
        assert (refused.code, refused.answer["pointer"]) == (code, pointer)
    wrong = {"to": f"queue:{queue}", "messages": [{"body": 1}, {"key": "k"}]}
    refused = refusal(rest, "POST", "/transact", {"publish": [out, wrong]})
    assert (refused.answer["pointer"], refused.answer["errors"][0]["pointer"]) == ("/publish/1", "/publish/1/messages/1")
    assert rest.receive(queue) == []


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"publish": [{"to": "nowhere", "messages": [{"body": 1}]}]}, "/publish/0/to"),
        ({"publish": [{"to": "queue:q", "messages": [{"body": 1, "partition": 1}]}]}, "/publish/0/messages/0/partition"),
        ({"publish": [{"to": "stream:s", "messages": [{"body": 1}, {"body": 1, "delay": 1}]}]}, "/publish/0/messages/1/delay"),
        ({"publish": [{"to": "queue:q", "messages": [{}]}]}, "/publish/0/messages/0"),
        ({"commit": [{"stream": "s", "group": "g", "offsets": {}}]}, "/commit/0/offsets"),
        ({"commit": [{"stream": "s", "group": "g", "offsets": {"0": "x"}}]}, "/commit/0/offsets/0"),
        ({"commit": [{"stream": "s", "group": "g", "offsets": {"x": "0"}}]}, "/commit/0/offsets"),
        ({"settle": {"q": {"ack": ["1-1-1"] * 600, "release": ["1-1-1"] * 600}}}, "/settle/q"),
        ({"settle": {"a/b": {"ack": ["1-1-1"]}}}, "/settle/a~1b"),
        ({"settle": {"q": {"ack": [1]}}}, "/settle"),
        ({"dedup_id": 1}, "/dedup_id"),
        ({"x": 1}, "/x"),
    ],
)
def test_what_is_no_transaction_is_invalid(rest: Rest, asked: Json, pointer: str) -> None:
    refused = refusal(rest, "POST", "/transact", asked)
    assert refused.code == "invalid"
    assert refused.answer["errors"][0]["pointer"] == pointer


def test_a_transaction_needs_the_verb_of_every_part(rest: Rest, server: Server) -> None:
    token = made(rest, ("queue:mine.*", ["publish", "consume"]))["token"]
    rest.declare("mine.t")
    mine = {"to": "queue:mine.t", "messages": [{"body": 1}]}
    asked: dict[str, Any]
    with Rest(server.url, token) as client:
        assert client.call("POST", "/transact", {"publish": [mine]})
        for asked, pointer in (
            ({"publish": [mine, {"to": "queue:theirs", "messages": [{"body": 1}]}]}, "/publish/1"),
            ({"publish": [{"to": "stream:mine.t", "messages": [{"body": 1}]}]}, "/publish/0"),
            ({"settle": {"theirs": {"ack": []}}}, "/settle/theirs"),
            ({"commit": [{"stream": "mine.t", "group": "g", "offsets": {"0": "1"}}]}, "/commit/0"),
        ):
            refused = refusal(client, "POST", "/transact", asked)
            assert (refused.code, refused.answer["pointer"]) == ("forbidden", pointer)


def test_a_dedup_id_is_its_tokens_own(rest: Rest, server: Server, queue: str) -> None:
    asked = {"dedup_id": f"own-{queue}", "publish": [{"to": f"queue:{queue}", "messages": [{"body": 1}]}]}
    transact(rest, **asked)
    with Rest(server.url, made(rest, ("*", ["publish"]))["token"]) as other:
        assert transact(other, **asked)["duplicate"] is False


def test_a_session_transacts_with_its_csrf_token(browser: httpx.Client, queue: str) -> None:
    asked = {"publish": [{"to": f"queue:{queue}", "messages": [{"body": 1}]}]}
    assert browser.post("/api/v1/transact", json=asked).status_code == 200
    del browser.headers["X-CSRFToken"]
    assert browser.post("/api/v1/transact", json=asked).status_code == 403
    assert browser.get("/api/v1/transact").status_code == 405
