"""What happened to messages, over REST: timelines, what is kept after its end, what is said of what is not, and relatives."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import pytest

from brokerweb.faces.codec import answers
from brokerweb.faces.rest import shapes
from tests.clients import Json, Refused, Rest
from tests.faces.test_rest_access import made
from tests.faces.test_rest_messages import bury
from tests.faces.test_rest_queues import refusal
from tests.server import Server


def read(rest: Rest, queue: str, id: str) -> Json:
    shown = dict(rest.call("GET", f"/queues/{queue}/messages/{id}"))
    msgspec.convert(shown, answers.Message)
    return shown


def told(shown: Json) -> list[tuple[str, int | None]]:
    return [(entry["event"], entry["attempt"]) for entry in shown["timeline"]]


def one(rest: Rest, queue: str, **fields: Any) -> str:
    return str(rest.publish(queue, {"body": 1, **fields})[0]["id"])


def ack(rest: Rest, queue: str, n: int = 1) -> None:
    rest.settle(queue, ack=[m["receipt"] for m in rest.receive(queue, max=n)])


@pytest.fixture
def full(rest: Rest) -> str:
    rest.declare(name := f"full-{secrets.token_hex(4)}", history="full", keep_settled=3600)
    return name


def test_with_failures_it_is_what_rows_know(rest: Rest, queue: str) -> None:
    id = one(rest, queue, dedup_id="d")
    got = rest.receive(queue)
    rest.settle(queue, nack=[{"receipt": got[0]["receipt"], "delay": 0, "error": "no stock"}])
    rest.settle(queue, dead=[{"receipt": rest.receive(queue)[0]["receipt"], "reason": "malformed"}])
    rest.call("POST", f"/queues/{queue}/messages/{id}/requeue")
    shown = read(rest, queue, id)
    assert told(shown) == [("published", None), ("nacked", 1), ("dead", 2), ("requeued", 2)]
    published, nacked, dead, requeued = shown["timeline"]
    assert (published["by"], published["detail"]) == ("admin", {"dedup": "d"})
    assert (nacked["client"], nacked["detail"]) == ("admin", {"error": "no stock"})
    assert dead["detail"] == {"reason": "rejected", "error": "malformed"}
    assert requeued["by"] == "admin"
    assert (shown["timeline_truncated"], shown["family"]) == (False, [])


def test_with_full_it_is_everything_and_says_who(rest: Rest, server: Server, full: str) -> None:
    worker = made(rest, (full, ["consume"]), name="the worker")
    id = one(rest, full)
    with Rest(server.url, worker["token"]) as client:
        leased = client.receive(full)
        client.settle(full, extend=[{"receipt": leased[0]["receipt"], "lease": 60}])
        client.settle(full, ack=[leased[0]["receipt"]])
    shown = read(rest, full, id)
    assert told(shown) == [("published", None), ("leased", 1), ("extended", 1), ("acked", 1)]
    assert [entry["by"] for entry in shown["timeline"]] == ["admin", *[worker["name"]] * 3]
    assert shown["timeline"][2]["detail"] == {"lease": 60}


def test_a_settled_message_is_shown_while_it_is_kept(rest: Rest, full: str) -> None:
    first, second = one(rest, full, key="a"), one(rest, full, key="b")
    ack(rest, full)
    shown = read(rest, full, first)
    assert (shown["state"], shown["outcome"], shown["body"], shown["key"]) == ("settled", "acked", 1, "a")
    assert shown["settled_at"] == shown["timeline"][-1]["at"]
    assert rest.queue(full)["counts"] == {"ready": 1, "scheduled": 0, "blocked": 0, "leased": 0, "dead": 0}
    assert [m["id"] for m in rest.browse(full)] == [second]
    assert [m["id"] for m in rest.browse(full, state="settled")] == [first]


def test_what_is_kept_is_browsed_page_by_page(rest: Rest, full: str) -> None:
    ids = [r["id"] for r in rest.publish(full, *({"body": n, "key": "ab"[n % 2]} for n in range(12)))]
    ack(rest, full, 12)
    for order, expected in (("asc", ids), ("desc", ids[::-1])):
        seen, after = [], None
        while True:
            more: dict[str, str] = {} if after is None else {"after": after}
            page = rest.call("GET", f"/queues/{full}/messages", None, state="settled", order=order, limit=5, **more)
            msgspec.convert(page, shapes.MessageList)
            seen += [m["id"] for m in page["items"]]
            if (after := page["next"]) is None:
                break
        assert seen == expected
    assert [m["id"] for m in rest.browse(full, state="settled", key="b")] == ids[1::2]
    cursor = rest.call("GET", f"/queues/{full}/messages", None, state="settled", limit=5)["next"]
    assert refusal(rest, "GET", f"/queues/{full}/messages", None, after=cursor).code == "invalid"
    assert refusal(rest, "GET", f"/queues/{full}/messages", None, state="settled,ready").code == "invalid"


@pytest.mark.parametrize("call", ["purge", "redrive"])
def test_what_has_ended_cannot_be_acted_upon(rest: Rest, full: str, call: str) -> None:
    assert refusal(rest, "POST", f"/queues/{full}/{call}", {"filter": {"states": ["settled"]}}).code == "invalid"
    id = one(rest, full)
    ack(rest, full)
    for method, path in (("DELETE", ""), ("POST", "/requeue")):
        assert refusal(rest, method, f"/queues/{full}/messages/{id}{path}").status == 404


def test_each_end_says_who_brought_it(rest: Rest, full: str) -> None:
    deleted, purged, original = one(rest, full), one(rest, full, delay=60), one(rest, full, delay=3600)
    rest.call("DELETE", f"/queues/{full}/messages/{deleted}")
    copy = rest.call("POST", f"/queues/{full}/messages/{original}/requeue", {"message": {"body": 2}})["id"]
    rest.call("POST", f"/queues/{full}/purge", {"filter": {"ids": [purged]}})
    for id, outcome in ((deleted, "deleted"), (purged, "purged"), (original, "edited")):
        shown = read(rest, full, id)
        assert (shown["outcome"], shown["settled_by"]) == (outcome, "admin")
        assert (shown["timeline"][-1]["event"], shown["timeline"][-1]["by"]) == (outcome, "admin")
    shown = read(rest, full, original)
    assert shown["family"] == [{"rel": "copy", "to": f"queue:{full}", "id": copy, "state": "ready"}]
    assert [(see["rel"], see["href"].rpartition("/")[2]) for see in shown["verdict"]["see"]] == [("copy", copy), ("queue", full)]
    [relative] = read(rest, full, copy)["family"]
    assert relative == {"rel": "original", "to": f"queue:{full}", "id": original, "state": "settled"}
    assert read(rest, full, copy)["timeline"][0]["detail"] == {"parent": original}


# What is not kept


def gone(rest: Rest, queue: str, id: str) -> Json:
    refused = refusal(rest, "GET", f"/queues/{queue}/messages/{id}")
    assert (refused.status, refused.code) == (404, "not_found")
    return dict(refused.answer)


def test_of_what_was_settled_it_is_said_that_no_history_is_kept(rest: Rest, queue: str) -> None:
    id = one(rest, queue)
    ack(rest, queue)
    problem = gone(rest, queue, id)
    assert f"The id {id} was given by queue {queue}" in problem["detail"]
    assert "keeps no history" in problem["detail"]


def test_of_what_never_was_that_it_never_was(rest: Rest, queue: str) -> None:
    assert f"Queue {queue} never had a message" in gone(rest, queue, "987654321987")["detail"]


def test_where_events_are_left_they_come_with_the_refusal(rest: Rest, queue: str) -> None:
    rest.declare(queue, history="full")
    id = one(rest, queue)
    ack(rest, queue)
    problem = gone(rest, queue, id)
    assert told(problem) == [("published", None), ("leased", 1), ("acked", 1)]
    assert f"The id {id} was given by queue {queue}: the message is gone, acked by admin at " in problem["detail"]
    assert " 7 d" in problem["detail"]


def test_an_edited_original_that_is_gone_names_its_copy(rest: Rest, queue: str) -> None:
    original = one(rest, queue, delay=60)
    copy = rest.call("POST", f"/queues/{queue}/messages/{original}/requeue", {"message": {"body": 2}})["id"]
    problem = gone(rest, queue, original)
    assert [(r["rel"], r["id"]) for r in problem["family"]] == [("copy", copy)]
    assert [(r["rel"], r["id"], r["state"]) for r in read(rest, queue, copy)["family"]] == [("original", original, "gone")]


# Relatives


def test_copies_of_one_publish_know_each_other(rest: Rest, server: Server, queue: str) -> None:
    base = secrets.token_hex(4)
    rest.declare(other := f"other-{base}", keep_settled=60)
    rest.call("PUT", f"/streams/log-{base}", {})
    rest.call("PUT", f"/topics/news-{base}", {
        "bindings": [{"pattern": "#", "to": to} for to in (f"queue:{queue}", f"queue:{other}", f"stream:log-{base}")]
    })  # fmt: skip
    rest.call("POST", f"/topics/news-{base}/messages", {"messages": [{"body": n, "routing_key": "a"} for n in range(2)]})
    mine, theirs = list(rest.browse(queue)), list(rest.browse(other))
    ack(rest, other)
    for n, state in enumerate(("settled", "ready")):
        shown = read(rest, queue, mine[n]["id"])
        assert shown["family"] == [
            {"rel": "sibling", "to": f"queue:{other}", "id": theirs[n]["id"], "state": state},
            {"rel": "sibling", "to": f"stream:log-{base}", "partition": 0, "offset": str(n)},
        ]
        assert shown["timeline"][0]["detail"] == {"route": f"news-{base}"}
    with Rest(server.url, made(rest, (f"queue:{queue}", ["browse"]))["token"]) as stranger:
        shown = read(stranger, queue, mine[0]["id"])
        assert (shown["family"], shown["timeline"][0]["detail"]) == ([], {})


def test_where_a_message_went_is_for_those_who_may_browse_that(rest: Rest, server: Server, queue: str, full: str) -> None:
    [id] = bury(rest, full, 1)
    rest.call("POST", f"/queues/{full}/redrive", {"to": queue})
    moved = {"to": queue}
    assert read(rest, full, id)["timeline"][-1]["detail"] == moved
    assert read(rest, queue, id)["timeline"][-1]["detail"] == moved | {"from": full}
    ack(rest, queue)
    assert told(read(rest, full, id))[-1] == ("moved", 1)
    assert [see["rel"] for see in read(rest, full, id)["verdict"]["see"]] == ["moved", "queue"]
    with Rest(server.url, made(rest, (f"queue:{full}", ["browse"]))["token"]) as stranger:
        shown = read(stranger, full, id)
        assert (shown["timeline"][-1]["detail"], [see["rel"] for see in shown["verdict"]["see"]]) == ({}, ["queue"])
        with pytest.raises(Refused) as refused:
            read(stranger, queue, id)
        assert refused.value.status == 403


def test_at_most_200_of_the_newest_are_shown(rest: Rest, full: str) -> None:
    id = one(rest, full)
    receipt = rest.receive(full)[0]["receipt"]
    for _ in range(7):
        rest.settle(full, extend=[{"receipt": receipt}] * 30)
    shown = read(rest, full, id)
    assert (told(shown), shown["timeline_truncated"]) == ([("extended", 1)] * 200, True)


def test_redaction_reaches_what_is_kept(rest: Rest, full: str) -> None:
    id = one(rest, full, headers={"a": "hunter2"})
    rest.settle(full, nack=[{"receipt": rest.receive(full)[0]["receipt"], "delay": 0, "error": "hunter2"}])
    ack(rest, full)
    shown = rest.call("POST", f"/queues/{full}/messages/{id}/redact")
    assert (shown["state"], shown["body"], "hunter2" in str(shown)) == ("settled", None, False)
    assert shown == read(rest, full, id)
