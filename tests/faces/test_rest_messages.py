"""Messages over REST: browse, read, reschedule, delete, requeue, purge, redrive."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from brokerweb.core import clock
from brokerweb.faces.codec import answers
from brokerweb.faces.rest import shapes
from tests.clients import Rest
from tests.eventually import eventually
from tests.faces.test_rest_queues import refusal


def bury(rest: Rest, queue: str, *bodies: Any) -> list[str]:
    """Publish messages and let them die; their ids."""
    ids = [result["id"] for result in rest.publish(queue, *({"body": body} for body in bodies))]
    got = rest.receive(queue, max=len(bodies))
    rest.settle(queue, dead=[{"receipt": m["receipt"], "reason": f"no {m['body']}"} for m in got])
    return ids


def test_browsing_pages_through_everything_once_in_either_order(rest: Rest, queue: str) -> None:
    ids = [r["id"] for r in rest.publish(queue, *({"body": n} for n in range(25)))]
    for order, expected in (("asc", ids), ("desc", ids[::-1])):
        seen, after = [], None
        while True:
            page = rest.call(
                "GET", f"/queues/{queue}/messages", None, order=order, limit=10, **({"after": after} if after else {})
            )
            msgspec.convert(page, shapes.MessageList)
            seen += [m["id"] for m in page["items"]]
            if (after := page["next"]) is None:
                break
        assert seen == expected


def test_looking_changes_nothing(rest: Rest, queue: str) -> None:
    (one,) = rest.publish(queue, {"body": 1})
    before = rest.queue(queue)["counts"]
    for _ in range(3):
        rest.call("GET", f"/queues/{queue}/messages")
        seen = rest.call("GET", f"/queues/{queue}/messages/{one['id']}")
    assert (seen["attempts"], rest.queue(queue)["counts"]) == (0, before)


def test_browsing_filters_by_state_and_key(rest: Rest, queue: str) -> None:
    rest.publish(queue, {"body": 1, "key": "a"}, {"body": 2, "key": "b"}, {"body": 3, "key": "a", "delay": 3600})
    assert [m["body"] for m in rest.browse(queue, key="a")] == [1, 3]
    assert [m["body"] for m in rest.browse(queue, state="scheduled")] == [3]
    assert [m["body"] for m in rest.browse(queue, state="ready,scheduled")] == [1, 2, 3]
    for wrong in ({"state": "gone"}, {"order": "up"}, {"serach": "x"}, {"headers.a": "x"}, {"limit": "0"}, {"after": "x"}):
        assert refusal(rest, "GET", f"/queues/{queue}/messages", None, **wrong).code == "invalid"


HOLDING: tuple[
    tuple[dict[str, str], list[int]], ...
] = (  # a parameter of browsing by what messages hold, and which of the bodies of the test below it finds
    ({"search": "ORD-7"}, [1, 3]),
    ({"search": "ord-7", "key": "k"}, [3]),
    ({"header.tenant": "globex"}, [0, 1]),
    ({"header.tenant": "globex", "search": "ORD"}, [1]),
    ({"body.order.n": "5"}, [2, 4]),
    ({"body.order.n": '"5"'}, [4]),
    ({"body.order.n": "5.0", "state": "ready"}, [2]),
    ({"body.items.1": "true"}, [5]),
    ({"body.items[1]": "true"}, [5]),
    ({'body."a.b"': "null"}, [5]),
    ({"published_after": "2020-01-01T00:00:00Z"}, [0, 1, 2, 3, 4, 5]),
    ({"published_before": "2020-01-01T00:00:00Z"}, []),
)


def test_browsing_by_what_messages_hold_goes_in_its_order_and_says_how_far_it_came(rest: Rest, queue: str) -> None:
    globex = {"headers": {"tenant": "globex", "a": "b"}}
    bodies: list[Any] = [
        "x",
        "about ORD-7",
        {"order": {"n": 5.0}},
        "ORD-71",
        {"order": {"n": "5"}},
        {"items": [0, True], "a.b": None},
    ]
    keys: list[dict[str, Any]] = [globex, globex, {}, {"key": "k"}, {"key": "other"}, {}]
    ids = [r["id"] for r in rest.publish(queue, *({"body": body, **more} for body, more in zip(bodies, keys, strict=True)))]
    for parameters, expected in HOLDING:
        for order in ("asc", "desc"):
            page = rest.call("GET", f"/queues/{queue}/messages", None, order=order, **parameters)
            msgspec.convert(page, shapes.MessageList)
            assert [m["id"] for m in page["items"]] == [ids[i] for i in (expected if order == "asc" else expected[::-1])]
            assert (page["exhausted"], page["next"]) == (True, None)
        assert page["scanned"] <= len(ids)


def test_browsing_by_what_messages_hold_pages_through_everything_once(rest: Rest, queue: str) -> None:
    ids = [r["id"] for r in rest.publish(queue, *({"body": {"n": n % 2}} for n in range(700)))]
    after: dict[str, str] = {}
    path, seen, scanned = f"/queues/{queue}/messages", list[str](), 0
    while True:
        page = rest.call("GET", path, None, limit=99, **{"body.n": "1"}, **after)
        seen += [m["id"] for m in page["items"]]
        scanned += page["scanned"]
        if page["exhausted"]:
            break
        after = {"after": page["next"]}
        assert refusal(rest, "GET", path, None, **{"body.n": "0"}, **after).code == "invalid"
    assert (seen, scanned) == (ids[1::2], len(ids))


def test_conditions_that_cannot_be_are_named(rest: Rest, queue: str) -> None:
    for name, value in (
        ("search", ""),
        ("body.", "1"),
        ("body.a[", "1"),
        ("published_after", "yesterday"),
        ("header.a", "x" * 1001),
    ):
        refused = refusal(rest, "GET", f"/queues/{queue}/messages", None, **{name: value})
        assert (refused.code, refused.answer["errors"][0]["pointer"]) == ("invalid", f"/{name}")


def test_kept_messages_are_browsed_by_what_they_held(rest: Rest, name: str) -> None:
    rest.declare(name, keep_settled=600)
    ids = [r["id"] for r in rest.publish(name, *({"body": {"n": n % 2}} for n in range(6)))]
    rest.settle(name, ack=[m["receipt"] for m in rest.receive(name, max=4)])
    page = rest.call("GET", f"/queues/{name}/messages", None, state="settled", **{"body.n": "1"})
    assert ([m["id"] for m in page["items"]], page["scanned"]) == ([ids[1], ids[3]], 4)
    assert [m["id"] for m in rest.browse(name, **{"body.n": "1"})] == [ids[5]]


def test_what_is_browsed_is_what_an_act_takes(rest: Rest, queue: str) -> None:
    bury(rest, queue, *({"n": n % 3, "t": "5"} for n in range(9)))
    assert refusal(rest, "POST", f"/queues/{queue}/redrive", {"filter": {"body.n": []}}).code == "invalid"
    assert refusal(rest, "POST", f"/queues/{queue}/purge", {"filter": {"ids": ["1"], "search": "x"}}).code == "invalid"
    asked = {"filter": {"body.n": 1}}
    assert rest.call("POST", f"/queues/{queue}/redrive", {**asked, "dry_run": True})["matched"] == 3
    assert rest.call("POST", f"/queues/{queue}/redrive", asked) == {"affected": 3}
    assert rest.call("POST", f"/queues/{queue}/purge", {"filter": {"body.n": 2}}) == {"affected": 0}  # they are dead
    assert rest.call("POST", f"/queues/{queue}/purge", {"filter": {"state": "dead", "body.n": 2}}) == {"affected": 3}
    assert rest.call("POST", f"/queues/{queue}/purge", {"filter": {"body.t": 5}}) == {"affected": 0}  # the text is no number
    assert rest.queue(queue)["counts"]["ready"] == 3


def test_acts_on_many_by_what_they_hold_are_jobs(rest: Rest, queue: str) -> None:
    for _ in range(2):
        rest.publish(queue, *({"body": {"n": n % 4}} for n in range(1000)))
    rest.publish(queue, *({"body": {"n": 0}} for _ in range(600)))
    asked = {"filter": {"body.n": 0}}
    assert rest.call("POST", f"/queues/{queue}/purge", {**asked, "dry_run": True})["matched"] == 1100
    job = rest.call("POST", f"/queues/{queue}/purge", asked)["job"]
    eventually(lambda: rest.call("GET", f"/jobs/{job['id']}")["state"] == "done", why="the end of the purge")
    assert rest.queue(queue)["counts"]["ready"] == 1500


def test_a_cursor_of_another_filter_or_queue_is_invalid(rest: Rest, queue: str, name: str) -> None:
    rest.publish(queue, {"body": 1}, {"body": 2})
    rest.declare(other := f"other-{queue}")
    cursor = rest.call("GET", f"/queues/{queue}/messages", None, limit=1)["next"]
    assert refusal(rest, "GET", f"/queues/{queue}/messages", None, after=cursor, state="ready").code == "invalid"
    assert refusal(rest, "GET", f"/queues/{other}/messages", None, after=cursor).code == "invalid"


def test_one_message_is_shown_with_its_failures(rest: Rest, queue: str) -> None:
    (id,) = bury(rest, queue, "it")
    seen = rest.call("GET", f"/queues/{queue}/messages/{id}")
    msgspec.convert(seen, answers.Message)
    assert (seen["state"], seen["reason"], seen["last_error"]) == ("dead", "rejected", "no it")
    assert [f["error"] for f in seen["failed"]] == ["no it"]
    assert "receipt" not in seen


@pytest.mark.parametrize("id", ["0", "999999999", "x", "-1", "1.0", "9" * 30, "٣"])
@pytest.mark.parametrize(("method", "after"), [("GET", ""), ("DELETE", ""), ("POST", "/requeue")])
def test_ids_that_are_none_are_not_found(rest: Rest, queue: str, id: str, method: str, after: str) -> None:
    assert refusal(rest, method, f"/queues/{queue}/messages/{id}{after}").status == 404


def test_another_queues_message_is_not_found(rest: Rest, queue: str) -> None:
    rest.declare(other := f"other-{queue}")
    (one,) = rest.publish(other, {"body": 1})
    assert refusal(rest, "GET", f"/queues/{queue}/messages/{one['id']}").status == 404
    assert refusal(rest, "DELETE", f"/queues/{queue}/messages/{one['id']}").status == 404


def test_a_message_can_be_rescheduled(rest: Rest, queue: str) -> None:
    (one,) = rest.publish(queue, {"body": 1})
    path = f"/queues/{queue}/messages/{one['id']}"
    assert rest.call("PATCH", path, {"delay": 3600})["state"] == "scheduled"
    assert rest.call("PATCH", path, {"deliver_at": "2020-01-01T00:00:00Z"})["state"] == "ready"
    tomorrow = clock.rfc3339(clock.now() + clock.seconds(86_400))
    assert rest.call("PATCH", path, {"due_at": tomorrow})["due_at"] == tomorrow
    assert rest.call("PATCH", path, {"delay": 0})["state"] == "ready"
    for wrong in (
        {},
        {"delay": 1, "deliver_at": "2020-01-01T00:00:00Z"},
        {"delay": -1},
        {"deliver_at": "2020-01-01"},
        {"state": "ready"},
    ):
        assert refusal(rest, "PATCH", path, wrong).code == "invalid"
    rest.receive(queue)
    assert refusal(rest, "PATCH", path, {"delay": 1}).code == "conflict"


def test_a_deleted_message_is_gone(rest: Rest, queue: str) -> None:
    (one,) = rest.publish(queue, {"body": 1})
    path = f"/queues/{queue}/messages/{one['id']}"
    assert rest.http.delete(path).status_code == 204
    assert refusal(rest, "GET", path).status == refusal(rest, "DELETE", path).status == 404


def test_requeue_puts_a_dead_message_back_with_its_id(rest: Rest, queue: str) -> None:
    (id,) = bury(rest, queue, 1)
    back = rest.call("POST", f"/queues/{queue}/messages/{id}/requeue")
    assert (back["id"], back["state"], back["failures"]) == (id, "ready", 0)
    assert refusal(rest, "POST", f"/queues/{queue}/messages/{id}/requeue").code == "conflict"
    assert [m["id"] for m in rest.receive(queue)] == [id]


def test_requeue_with_a_message_replaces_the_original_by_the_edited_copy(rest: Rest, queue: str) -> None:
    (id,) = bury(rest, queue, 1)
    path = f"/queues/{queue}/messages/{id}/requeue"
    assert (
        refusal(rest, "POST", path, {"message": {"body": 1, "priority": "x"}}).answer["errors"][0]["pointer"]
        == "/message/priority"
    )
    answer = rest.http.post(path, json={"message": {"body": 2, "key": "k"}})
    assert answer.status_code == 201
    new = rest.call("GET", f"/queues/{queue}/messages/{answer.json()['id']}")
    assert (new["body"], new["key"], new["parent"]) == (2, "k", id)
    assert refusal(rest, "GET", f"/queues/{queue}/messages/{id}").status == 404


def test_purge_takes_what_waits_and_others_only_when_named(rest: Rest, queue: str) -> None:
    bury(rest, queue, "dead")
    rest.publish(queue, {"body": 1}, {"body": 2, "delay": 3600})
    preview = rest.call("POST", f"/queues/{queue}/purge", {"dry_run": True})
    msgspec.convert(preview, shapes.Preview)
    assert (preview["matched"], len(preview["samples"])) == (2, 2)
    assert rest.call("POST", f"/queues/{queue}/purge") == {"affected": 2}
    assert rest.queue(queue)["counts"]["dead"] == 1
    assert rest.call("POST", f"/queues/{queue}/purge", {"filter": {"states": ["dead"]}}) == {"affected": 1}


def test_purge_may_be_told_the_states_beside_its_filter(rest: Rest, queue: str) -> None:
    first, _ = bury(rest, queue, 1, 2)
    rest.publish(queue, {"body": 3})
    path = f"/queues/{queue}/purge"
    assert rest.call("POST", path, {"states": ["dead"], "dry_run": True})["matched"] == 2
    assert rest.call("POST", path, {"states": ["dead"], "filter": {"ids": [first]}}) == {"affected": 1}
    assert rest.call("POST", path, {"states": ["dead"], "filter": {"state": "ready"}}) == {"affected": 2}
    refused = refusal(rest, "POST", path, {"states": ["late"]})
    assert (refused.code, refused.answer["errors"][0]["pointer"]) == ("invalid", "/states/0")


def test_purge_takes_what_its_filter_names(rest: Rest, queue: str) -> None:
    a, b, _ = (r["id"] for r in rest.publish(queue, {"body": 1, "key": "a"}, {"body": 2}, {"body": 3}))
    assert rest.call("POST", f"/queues/{queue}/purge", {"filter": {"key": "a"}}) == {"affected": 1}
    assert rest.call("POST", f"/queues/{queue}/purge", {"filter": {"ids": [a, int(b)]}}) == {"affected": 1}
    assert [m["body"] for m in rest.browse(queue)] == [3]
    wrong: dict[str, Any]
    for wrong in ({"filter": {"x": 1}}, {"filter": []}, {"filter": {"ids": [1.5]}}, {"dry_run": "yes"}, {"rate": 0}):
        assert refusal(rest, "POST", f"/queues/{queue}/purge", wrong).code == "invalid"


def test_redrive_puts_dead_messages_back_or_into_another_queue(rest: Rest, queue: str) -> None:
    rest.declare(other := f"other-{queue}")
    first, second, third = bury(rest, queue, 1, 2, 3)
    preview = rest.call("POST", f"/queues/{queue}/redrive", {"dry_run": True})
    assert (preview["matched"], preview["samples"][0]["id"]) == (3, first)
    assert rest.call("POST", f"/queues/{queue}/redrive", {"filter": {"ids": [first]}}) == {"affected": 1}
    assert rest.call("POST", f"/queues/{queue}/redrive", {"filter": {"ids": [second]}, "to": other}) == {"affected": 1}
    assert rest.call("POST", f"/queues/{queue}/redrive", {"to": f"queue:{other}"}) == {"affected": 1}
    assert [m["id"] for m in rest.receive(queue)] == [first]
    assert [m["id"] for m in rest.receive(other)] == [second, third]
    assert refusal(rest, "POST", f"/queues/{queue}/redrive", {"to": "nobody"}).status == 404
    assert refusal(rest, "POST", f"/queues/{queue}/redrive", {"to": "../x"}).code == "invalid"
