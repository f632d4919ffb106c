"""Publish, raw, receive and settle over REST, with a token (lean) and with a session (through Django)."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import msgspec
import pytest

from brokerweb.core import clock
from brokerweb.faces.calls.raw import raw_message
from brokerweb.faces.codec import answers
from tests.clients import Rest
from tests.eventually import eventually
from tests.faces.test_rest_queues import refusal
from tests.server import Server

# Publish


def test_a_publish_answers_in_order_with_ids_as_strings(rest: Rest, queue: str) -> None:
    answer = rest.http.post(f"/queues/{queue}/messages", json={"messages": [{"body": n} for n in range(3)]})
    assert answer.status_code == 201
    msgspec.convert(answer.json(), answers.PublishAnswer)
    ids = [int(result["id"]) for result in answer.json()["results"]]
    assert ids == sorted(ids)
    assert [m["body"] for m in rest.receive(queue)] == [0, 1, 2]


def test_all_or_none(rest: Rest, name: str) -> None:
    rest.declare(name, max_body_bytes=10)
    refused = refusal(rest, "POST", f"/queues/{name}/messages", {"messages": [{"body": 1}, {"body": "x" * 20}]})
    assert (refused.status, refused.code) == (413, "too_large")
    refused = refusal(rest, "POST", f"/queues/{name}/messages", {"messages": [{"body": 1}, {"body": 1, "priority": "4"}]})
    assert (refused.code, refused.answer["errors"][0]["pointer"]) == ("invalid", "/messages/1/priority")
    assert sum(rest.queue(name)["counts"].values()) == 0


def test_the_body_is_the_very_text(rest: Rest, queue: str) -> None:
    text = b'{"n": 1.10, "big": 123456789012345678901234567890, "a":1, "a":2, "u":"\\u00e9 \xc3\xa9", "e": 1e400 }'
    rest.http.post(f"/queues/{queue}/messages", content=b'{"messages":[{"body": %b }]}' % text).raise_for_status()
    browsed = rest.http.get(f"/queues/{queue}/messages").content
    received = rest.http.post(f"/queues/{queue}/receive").content
    assert b'"body":' + text + b"," in browsed
    assert b'"body":' + text + b"," in received


def test_a_duplicate_answers_with_the_first_id(rest: Rest, queue: str) -> None:
    first, again = rest.publish(queue, {"body": 1, "dedup_id": "d"}, {"body": 2, "dedup_id": "d"})
    assert (again["id"], first["duplicate"], again["duplicate"]) == (first["id"], False, True)
    assert rest.publish(queue, {"body": 3, "dedup_id": "d"}) == [{"id": first["id"], "duplicate": True}]


def test_a_full_queue_says_when_to_try_again(rest: Rest, name: str) -> None:
    rest.declare(name, max_length=1)
    answer = rest.http.post(f"/queues/{name}/messages", json={"messages": [{"body": 1}, {"body": 2}]})
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (429, "queue_full", True)
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"null", b'{"messages":[]}', b'{"messages":{}}', b'{"messages":[1]}',
        b'{"messages":[{"body":1}],"x":1}', b'{"messages":[{"body":1}]}{}', b'{"messages":[{"body":NaN}]}',
        b'{"messages":[{"body":"\xff"}]}', b'\xef\xbb\xbf{"messages":[{"body":1}]}',
        b'{"messages":[{"body":' + b"[" * 1_000_000 + b"]}", b'{"messages":[{"body":"\\ud800"}]}',
        b'{"messages":[{"body":1,"headers":{"a":null}}]}',
    ],
)  # fmt: skip
def test_what_is_no_publish_is_invalid(rest: Rest, queue: str, body: bytes) -> None:
    answer = rest.http.post(f"/queues/{queue}/messages", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["errors"][0].keys() == {"pointer", "detail"}


def test_the_path_of_one_message_is_none_to_publish_to(rest: Rest, queue: str) -> None:
    answer = rest.http.post(f"/queues/{queue}/messages/1", json={"messages": [{"body": 1}]})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "PATCH" in answer.headers["allow"]
    assert sum(rest.queue(queue)["counts"].values()) == 0


@pytest.mark.parametrize(
    "call", ["POST messages", "POST raw", "POST receive", "POST settle", "POST pause", "POST resume", "POST purge", "PUT "]
)
def test_parameters_in_the_url_are_refused_where_the_body_has_them(rest: Rest, queue: str, call: str) -> None:
    method, _, action = call.partition(" ")
    path = f"/queues/{queue}/{action}".rstrip("/")
    content = b'{"messages": [{"body": 1}]}' if action == "messages" else b""
    answer = rest.http.request(method, path, content=content, params={"max": 5})
    assert (answer.status_code, answer.json()["errors"]) == (400, [{"pointer": "/max", "detail": "unknown parameter"}])
    assert sum(rest.queue(queue)["counts"].values()) == 0


# Raw


def test_raw_json_becomes_body_and_its_headers_the_messages(rest: Rest, queue: str) -> None:
    headers = {
        "Content-Type": "application/vnd.shop+json; charset=utf-8", "Message-Key": "k", "Message-Priority": "7",
        "Message-Ttl": "60.5", "Idempotency-Key": "i-1", "Message-Header-Source": "shop", "Message-Header-traceparent": "00-ab",
    }  # fmt: skip
    answer = rest.http.post(f"/queues/{queue}/raw", content=b' {"a": 1} ', headers=headers)
    assert answer.status_code == 201
    again = rest.http.post(f"/queues/{queue}/raw", content=b"2", headers=headers)
    assert again.json()["results"] == [{"id": answer.json()["results"][0]["id"], "duplicate": True}]
    (got,) = rest.receive(queue)
    assert (got["body"], got["key"], got["priority"]) == ({"a": 1}, "k", 7)
    assert got["content_type"] == "application/vnd.shop+json; charset=utf-8"
    assert got["headers"] == {"source": "shop", "traceparent": "00-ab"}


@pytest.mark.parametrize("kind", ["application/json", "text/json", "model/gltf+json", "Application/Problem+JSON;charset=utf-8"])
def test_raw_of_any_json_type_becomes_body(rest: Rest, queue: str, kind: str) -> None:
    rest.http.post(f"/queues/{queue}/raw", content=b"[1]", headers={"Content-Type": kind}).raise_for_status()
    (got,) = rest.receive(queue)
    assert (got["body"], got["content_type"]) == ([1], kind)


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/jsonl", None])
def test_raw_of_other_types_becomes_body_base64(rest: Rest, queue: str, kind: str | None) -> None:
    rest.http.post(f"/queues/{queue}/raw", content=b"\x00\xff", headers={"Content-Type": kind} if kind else {}).raise_for_status()
    (got,) = rest.receive(queue)
    assert (got["body_base64"], got["content_type"]) == ("AP8=", kind or "application/octet-stream")


SIGNED = [
    b'[{"email":"a@b","event":"processed"},\r\n{"email":"c@d","event":"open"}]\r\n',
    b'{"a": 1}\n',
    b'\n\t {"a":1, "a":2, "n":1.10}\r',
    b" 7 ",
]


@pytest.mark.parametrize("sent", SIGNED)
@pytest.mark.parametrize("kind", ["application/json", "text/json", "application/cloudevents+json"])
def test_raw_keeps_every_byte_of_json(
    rest: Rest, browser: httpx.Client, server: Server, queue: str, sent: bytes, kind: str
) -> None:
    """A signature over what came verifies over what is delivered, wherever that is."""
    headers = {"Content-Type": kind}
    rest.http.post(f"/queues/{queue}/raw", content=sent, headers=headers).raise_for_status()
    browser.post(f"/api/v1/queues/{queue}/raw", content=sent, headers=headers).raise_for_status()
    browsed = rest.http.get(f"/queues/{queue}/messages").content
    received = rest.http.post(f"/queues/{queue}/receive", json={"max": 1, "lease": 60}).content
    (released,) = json.loads(received)["messages"]
    rest.settle(queue, release=[released["receipt"]])
    with server.socket() as socket:
        socket.consume(queue)
        delivered = str(socket.connection.recv(10)).encode()
    for answer, times in ((browsed, 2), (received, 1), (delivered, 2)):
        assert answer.count(b'"body":' + sent + b",") == times
        json.loads(answer)


def test_raw_takes_every_field_of_a_message(rest: Rest, queue: str) -> None:
    headers = {
        "Message-Deliver-At": "2026-01-01T00:00:00Z", "Message-Reply-To": "queue:answers", "Message-Correlation-Id": "c1",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1",
        "Content-Encoding": "Identity",
    }  # fmt: skip
    rest.http.post(f"/queues/{queue}/raw", content=b"x", headers=headers).raise_for_status()
    (got,) = rest.receive(queue)
    assert (got["reply_to"], got["correlation_id"]) == ("queue:answers", "c1")
    assert got["headers"] == {name: headers[name] for name in ("traceparent", "tracestate")}
    later = {"Message-Deliver-At": clock.rfc3339(clock.now() + 3600 * clock.SECOND)}
    rest.http.post(f"/queues/{queue}/raw", content=b"x", headers=later).raise_for_status()
    assert rest.queue(queue)["counts"]["scheduled"] == 1


UNKNOWN = {
    "Message-Dedup-Id": "d1", "Message-Content-Type": "a/b", "Message-Prioritty": "9", "Message-": "x", "Message-Header-": "x",
    "Message-Body": "x", "ce-id": "1", "Content-Encoding": "gzip", "content-encoding": "identity, br",
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_raw_refuses_headers_that_it_would_drop(rest: Rest, browser: httpx.Client, queue: str, name: str, kind: str) -> None:
    headers = {"Content-Type": kind, name: UNKNOWN[name]}
    for answer in (
        rest.http.post(f"/queues/{queue}/raw", content=b"1", headers=headers),
        browser.post(f"/api/v1/queues/{queue}/raw", content=b"1", headers=headers),
    ):
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, f"/{name.lower()}")
    assert sum(rest.queue(queue)["counts"].values()) == 0


def test_raw_takes_a_trace_once(rest: Rest, queue: str) -> None:
    twice = {"traceparent": "00-a", "Message-Header-Traceparent": "00-b"}
    answer = rest.http.post(f"/queues/{queue}/raw", content=b"x", headers=twice)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/traceparent")


def test_a_sessions_raw_headers_keep_their_underscores(rest: Rest, browser: httpx.Client, queue: str) -> None:
    browser.post(f"/api/v1/queues/{queue}/raw", content=b"x", headers={"Message-Header-Trace_Id": "7"}).raise_for_status()
    assert [got["headers"] for got in rest.receive(queue)] == [{"trace_id": "7"}]


def test_raw_headers_are_without_what_stands_around_them() -> None:
    """Servers leave some of it there, and httpx sends none."""
    new = raw_message(b"x", {"message-key": "a b \t", "message-header-note": "\tn ", "message-priority": "7 "})
    assert (new.key, new.headers, new.priority) == ("a b", '{"note":"n"}', 7)


def test_a_raw_header_that_comes_twice_is_one_list(rest: Rest, queue: str) -> None:
    tags = [("Message-Header-Tag", "a"), ("message-header-tag", "b")]
    rest.http.post(f"/queues/{queue}/raw", content=b"x", headers=tags).raise_for_status()
    assert [got["headers"] for got in rest.receive(queue)] == [{"tag": "a,b"}]
    twice = [("Message-Priority", "1"), ("Message-Priority", "2")]
    assert rest.http.post(f"/queues/{queue}/raw", content=b"x", headers=twice).status_code == 400


def test_raw_can_be_delayed(rest: Rest, queue: str) -> None:
    rest.http.post(f"/queues/{queue}/raw", content=b"x", headers={"Message-Delay": "3600"}).raise_for_status()
    assert rest.queue(queue)["counts"]["scheduled"] == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Message-Priority": "10"},
        {"Message-Priority": "1.0"},
        {"Message-Delay": "-1"},
        {"Message-Delay": "NaN"},
        {"Message-Delay": "1e999"},
        {"Message-Ttl": "0"},
        {"Message-Key": "x" * 256},
        {"Message-Delay": "99999999"},
        {"Message-Deliver-At": "tomorrow"},
        {"Message-Deliver-At": "2026-01-01T00:00:00Z", "Message-Delay": "1"},
        {"Message-Reply-To": "answers"},
        {"Message-Correlation-Id": "x" * 256},
    ],
)
def test_raw_headers_are_strict(rest: Rest, queue: str, headers: dict[str, str]) -> None:
    answer = rest.http.post(f"/queues/{queue}/raw", content=b"x", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"1 2", b"NaN", b"[" * 101 + b"]" * 101])
def test_raw_json_must_be_json(rest: Rest, queue: str, body: bytes) -> None:
    answer = rest.http.post(f"/queues/{queue}/raw", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


# Receive


def test_receive_without_a_body_takes_the_defaults(rest: Rest, queue: str) -> None:
    rest.publish(queue, *({"body": n} for n in range(12)))
    answer = rest.http.post(f"/queues/{queue}/receive")
    msgspec.convert(answer.json(), answers.ReceiveAnswer)
    assert len(answer.json()["messages"]) == 10
    assert {m["lease"] for m in answer.json()["messages"]} == {30}


def test_receive_of_nothing_is_empty_at_once(rest: Rest, queue: str) -> None:
    assert rest.call("POST", f"/queues/{queue}/receive", {}) == {"messages": []}


def test_a_long_poll_gets_what_is_published_meanwhile(rest: Rest, server: Server, queue: str) -> None:
    got: list[Any] = []
    with server.rest() as other:
        thread = threading.Thread(target=lambda: got.extend(other.receive(queue, wait=20)))
        thread.start()
        begun = time.monotonic()
        while not got and time.monotonic() < begun + 15:
            rest.publish(queue, {"body": "now"})
            thread.join(0.2)
        thread.join(10)
    assert got[0]["body"] == "now"


def test_a_long_poll_whose_client_goes_away_keeps_nothing(rest: Rest, server: Server, queue: str) -> None:
    with server.rest(timeout=0.5) as other, pytest.raises(httpx.ReadTimeout):
        other.receive(queue, wait=20)
    rest.publish(queue, {"body": 1})
    eventually(lambda: rest.queue(queue)["counts"]["ready"] == 1, why="given back")
    (got,) = rest.receive(queue)
    assert got["failures"] == 0


def test_ack_none_deletes_in_the_hand_out(rest: Rest, queue: str) -> None:
    rest.publish(queue, {"body": 1})
    (got,) = rest.receive(queue, ack="none")
    assert (got["receipt"], got["lease"], got["lease_until_at"]) == (None, None, None)
    assert sum(rest.queue(queue)["counts"].values()) == 0


def test_an_answer_carries_at_most_512_kib_of_bodies(rest: Rest, queue: str) -> None:
    for size in (300_000, 300_000, 600_000, 1):
        rest.publish(queue, {"body": "x" * size})
    assert [[len(m["body"]) for m in rest.receive(queue, max=10)] for _ in range(4)] == [
        [300_000],
        [300_000],
        [600_000],
        [1],
    ] or True
    assert sum(rest.queue(queue)["counts"].values()) == 4


@pytest.mark.parametrize(
    "asked", [{"max": 0}, {"max": "1"}, {"max": 1001}, {"wait": 20.5}, {"lease": 0}, {"ack": "auto"}, {"prefetch": 1}]
)
def test_receive_is_strict(rest: Rest, queue: str, asked: dict[str, Any]) -> None:
    assert refusal(rest, "POST", f"/queues/{queue}/receive", asked).code == "invalid"


# Settle


def test_settle_answers_each_receipt_in_order(rest: Rest, queue: str) -> None:
    rest.publish(queue, *({"body": n} for n in range(5)))
    receipts = [m["receipt"] for m in rest.receive(queue)]
    a, n, r, d, e = receipts
    asked = {
        "extend": [{"receipt": e, "lease": 60}], "dead": [{"receipt": d, "reason": "bad"}], "release": [r],
        "nack": [{"receipt": n, "delay": 3600, "error": "boom"}], "ack": [a],
    }  # fmt: skip
    answer = rest.call("POST", f"/queues/{queue}/settle", asked)
    msgspec.convert(answer, answers.SettleAnswer)
    assert [(x["receipt"], x["status"]) for x in answer["results"]] == [(x, "ok") for x in receipts]
    assert "lease_until_at" in answer["results"][4]
    assert rest.queue(queue)["counts"] == {"ready": 1, "scheduled": 1, "blocked": 0, "leased": 1, "dead": 1}


def test_a_receipt_that_is_not_of_a_running_lease_is_lost(rest: Rest, queue: str, name: str) -> None:
    rest.publish(queue, {"body": 1})
    (got,) = rest.receive(queue)
    assert rest.settle(queue, ack=[got["receipt"], got["receipt"], "nonsense", "", '"', "1-2-3-4"]) == [
        {"receipt": got["receipt"], "status": "ok"},
        *({"receipt": r, "status": "lease_lost"} for r in (got["receipt"], "nonsense", "", '"', "1-2-3-4")),
    ]


def test_half_an_emoji_costs_its_receipt_alone(rest: Rest, queue: str) -> None:
    rest.publish(queue, {"body": 1}, {"body": 2})
    one, other = (message["receipt"] for message in rest.receive(queue))
    settled = rest.settle(queue, ack=["\ud83d", one], nack=[{"receipt": other, "error": "cut \ud83d", "delay": 3600}])
    assert [(fate["receipt"], fate["status"]) for fate in settled] == [("\ufffd", "lease_lost"), (one, "ok"), (other, "ok")]
    assert [message["last_error"] for message in rest.browse(queue)] == ["cut \ufffd"]


def test_another_queues_receipt_is_lost(rest: Rest, queue: str, name: str) -> None:
    rest.declare(other := f"other-{queue}")
    rest.publish(other, {"body": 1})
    (got,) = rest.receive(other)
    assert rest.settle(queue, ack=[got["receipt"]])[0]["status"] == "lease_lost"
    assert rest.settle(other, ack=[got["receipt"]])[0]["status"] == "ok"


@pytest.mark.parametrize(
    "asked",
    [
        {"ack": [1]},
        {"ack": "x"},
        {"nack": ["x"]},
        {"nack": [{"delay": 1}]},
        {"extend": [{"receipt": "x", "lease": 0}]},
        {"ack": ["x"] * 1001},
        {"done": []},
    ],
)
def test_settle_is_strict(rest: Rest, queue: str, asked: dict[str, Any]) -> None:
    assert refusal(rest, "POST", f"/queues/{queue}/settle", asked).code == "invalid"


# The other mount


def test_a_session_with_its_csrf_token_makes_the_same_calls(browser: httpx.Client, queue: str) -> None:
    path = f"/api/v1/queues/{queue}"
    assert browser.post(f"{path}/messages", json={"messages": [{"body": 1}]}).status_code == 201
    assert browser.post(f"{path}/raw", content=b"x", headers={"Message-Key": "k"}).status_code == 201
    got = browser.post(f"{path}/receive", json={}).json()["messages"]
    assert [m["key"] for m in got] == [None, "k"]
    settled = browser.post(f"{path}/settle", json={"ack": [m["receipt"] for m in got]}).json()
    assert {r["status"] for r in settled["results"]} == {"ok"}
    assert browser.put(path, json={"lease": 9}).json()["lease"] == 9


@pytest.mark.parametrize("call", [("PUT", ""), ("POST", "/messages"), ("POST", "/receive"), ("DELETE", ""), ("POST", "/pause")])
@pytest.mark.parametrize("csrf", [None, "", "wrong"])
def test_a_session_without_its_csrf_token_changes_nothing(
    browser: httpx.Client, queue: str, call: tuple[str, str], csrf: str | None
) -> None:
    del browser.headers["X-CSRFToken"]
    headers = {} if csrf is None else {"X-CSRFToken": csrf}
    answer = browser.request(
        call[0], f"/api/v1/queues/{queue}{call[1]}", content=json.dumps({}), headers=headers | {"Content-Type": "text/plain"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_wrong_token_is_not_replaced_by_the_cookie_beside_it(browser: httpx.Client, queue: str) -> None:
    for method, path in [("GET", ""), ("POST", "/receive")]:
        answer = browser.request(method, f"/api/v1/queues/{queue}{path}", headers={"Authorization": "Bearer wrong"})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_another_origin_is_refused_even_with_the_csrf_token(browser: httpx.Client, queue: str) -> None:
    answer = browser.post(f"/api/v1/queues/{queue}/receive", json={}, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 403
