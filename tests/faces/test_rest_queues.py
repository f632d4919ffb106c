"""Queues over REST: declare, change, list, pause, delete; and what holds for every call."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from brokerweb.faces.rest import shapes
from tests.clients import Refused, Rest

DEFAULTS = {
    "lease": 30, "max_failures": 10, "backoff": {"initial": 1, "factor": 2, "max": 3600, "jitter": 0.15}, "keyed": False,
    "ttl": None, "on_expire": "drop", "max_length": None, "overflow": "refuse", "dedup_window": 300, "max_body_bytes": 1_048_576,
    "history": "failures", "keep_settled": 0, "keep_history": 604_800, "expires": None, "dead_retention": None,
}  # fmt: skip


def refusal(rest: Rest, method: str, path: str, body: Any = None, **params: Any) -> Refused:
    """The refusal that a call meets."""
    with pytest.raises(Refused) as caught:
        rest.call(method, path, body, **params)
    return caught.value


def test_a_declared_queue_has_every_setting_and_how_it_stands(rest: Rest, name: str) -> None:
    made = rest.http.put(f"/queues/{name}", json={"lease": 5.5, "backoff": {"initial": 3}})
    assert made.status_code == 201
    shown = made.json()
    msgspec.convert(shown, shapes.Queue)
    assert {key: shown[key] for key in DEFAULTS} == DEFAULTS | {"lease": 5.5, "backoff": DEFAULTS["backoff"] | {"initial": 3}}  # type: ignore[operator]  # values of several kinds in one mapping
    assert shown["counts"] == {"ready": 0, "scheduled": 0, "blocked": 0, "leased": 0, "dead": 0}
    assert shown["rates"] == {"published": 0, "delivered": 0, "acked": 0, "failed": 0}
    assert (shown["paused"], shown["consumers"], shown["oldest_ready_age"]) == (None, 0, None)


def test_put_changes_only_what_it_names_and_null_resets(rest: Rest, name: str) -> None:
    rest.declare(name, lease=5, max_failures=None)
    again = rest.http.put(f"/queues/{name}", json={"lease": None})
    assert again.status_code == 200
    assert (again.json()["lease"], again.json()["max_failures"]) == (30, None)


def test_patch_is_put_for_what_exists(rest: Rest, queue: str) -> None:
    assert rest.call("PATCH", f"/queues/{queue}", {"lease": 7})["lease"] == 7
    assert refusal(rest, "PATCH", "/queues/nobody", {"lease": 7}).status == 404


def test_put_without_a_body_declares_with_defaults(rest: Rest, name: str) -> None:
    assert rest.http.put(f"/queues/{name}").status_code == 201


@pytest.mark.parametrize(
    ("settings", "pointer"),
    [
        ({"surprise": 1}, "/surprise"),
        ({"lease": 0}, "/lease"),
        ({"lease": "30"}, "/lease"),
        ({"lease": True}, "/lease"),
        ({"max_failures": 4.0}, "/max_failures"),
        ({"max_failures": True}, "/max_failures"),
        ({"backoff": {"factor": 0.5}}, "/backoff/factor"),
        ({"backoff": {"surprise": 1}}, "/backoff/surprise"),
        ({"overflow": "burst"}, "/overflow"),
        ({"history": "some"}, "/history"),
        ({"keep_settled": -1}, "/keep_settled"),
        ({"keep_history": 31_536_001}, "/keep_history"),
        ({"max_body_bytes": 5_242_881}, "/max_body_bytes"),
    ],
)
def test_settings_that_are_none_are_invalid_at_their_place(rest: Rest, name: str, settings: dict[str, Any], pointer: str) -> None:
    refused = refusal(rest, "PUT", f"/queues/{name}", settings)
    assert (refused.status, refused.code) == (400, "invalid")
    assert refused.answer["errors"][0]["pointer"] == pointer
    assert refusal(rest, "GET", f"/queues/{name}").status == 404, "nothing was created"


@pytest.mark.parametrize("bad", [".hidden", "a b", "a%2Fb", "ä", "x" * 201, "a%00b", "%E2%80%AE"])
@pytest.mark.parametrize(("method", "rest_of"), [("PUT", ""), ("GET", ""), ("POST", "/messages"), ("POST", "/receive")])
def test_bad_names_are_invalid_or_no_path_at_all(rest: Rest, bad: str, method: str, rest_of: str) -> None:
    refused = refusal(rest, method, f"/queues/{bad}{rest_of}", {"messages": [{"body": 1}]} if rest_of == "/messages" else {})
    assert refused.status == (404 if "%2F" in bad else 400)


@pytest.mark.parametrize(
    "body", [b"[]", b"1", b"{", b"\xff", b'{"lease":NaN}', b'{"lease":1e400}', b'{"a":' * 5000 + b"1" + b"}" * 5000]
)
def test_bodies_that_are_no_settings_are_invalid(rest: Rest, name: str, body: bytes) -> None:
    answer = rest.http.put(f"/queues/{name}", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_keyed_changes_only_while_the_queue_is_empty(rest: Rest, queue: str) -> None:
    rest.publish(queue, {"body": 1})
    assert refusal(rest, "PATCH", f"/queues/{queue}", {"keyed": True}).status == 409


def test_lists_page_through_everything_once(rest: Rest, name: str) -> None:
    names = sorted(f"{name}-{n}" for n in range(7))
    for each in names:
        rest.declare(each)
    seen, after = [], None
    while True:
        page = rest.call("GET", "/queues", None, prefix=name, limit=3, **({"after": after} if after else {}))
        msgspec.convert(page, shapes.QueueList)
        seen += [item["name"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == names


def test_a_cursor_belongs_to_its_filter(rest: Rest, name: str) -> None:
    rest.declare(f"{name}-1")
    rest.declare(f"{name}-2")
    cursor = rest.call("GET", "/queues", None, prefix=name, limit=1)["next"]
    assert refusal(rest, "GET", "/queues", None, limit=1, after=cursor).code == "invalid"
    assert refusal(rest, "GET", "/queues", None, after="%%%").code == "invalid"


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "1001"}, {"limit": "1.0"}, {"limit": "-1"}, {"limit": "1000000000"}, {"limit": ""}, {"x": "1"}],
)
def test_query_parameters_are_strict(rest: Rest, query: dict[str, str]) -> None:
    assert refusal(rest, "GET", "/queues", None, **query).code == "invalid"


@pytest.mark.parametrize(
    ("given", "kept"), [("x" * 3_000, "x" * 2_000), ("a\0b", "a\ufffdb"), ("cut \ud83d", "cut \ufffd"), (None, "")]
)
def test_the_reason_of_a_pause_is_cut_not_refused(rest: Rest, queue: str, given: str | None, kept: str) -> None:
    assert rest.call("POST", f"/queues/{queue}/pause", {"reason": given})["paused"]["reason"] == kept


@pytest.mark.parametrize(
    ("path", "pointer"),
    [("/queues?prefix=%00", "/prefix"), ("/queues/Q/messages?key=a%00", "/key"), ("/queues/Q/messages?after=%00", "/after"),
     ("/streams?prefix=a%00", "/prefix"), ("/jobs?target=queue:%00", "/target")],
)  # fmt: skip
def test_a_nul_is_asked_of_no_store(rest: Rest, queue: str, path: str, pointer: str) -> None:
    refused = refusal(rest, "GET", path.replace("Q", queue))
    assert (refused.code, refused.answer["errors"][0]["pointer"]) == ("invalid", pointer)


@pytest.mark.parametrize("key", ["a\0", "\ud83d", "k" * 256])
def test_a_filter_has_no_key_that_no_message_can_have(rest: Rest, queue: str, key: str) -> None:
    refused = refusal(rest, "POST", f"/queues/{queue}/purge", {"filter": {"key": key}})
    assert (refused.code, refused.answer["errors"][0]["pointer"]) == ("invalid", "/filter/key")


def test_pause_and_resume_answer_with_the_queue_also_when_nothing_changed(rest: Rest, queue: str) -> None:
    paused = rest.call("POST", f"/queues/{queue}/pause", {"reason": "repairs"})["paused"]
    assert (paused["by"], paused["reason"]) == ("admin", "repairs")
    again = rest.call("POST", f"/queues/{queue}/pause", {"reason": "other"})["paused"]
    assert again == paused
    rest.publish(queue, {"body": 1})
    assert rest.call("POST", f"/queues/{queue}/receive", {}) == {"messages": [], "paused": True}
    assert rest.call("POST", f"/queues/{queue}/resume")["paused"] is None
    assert rest.call("POST", f"/queues/{queue}/resume")["paused"] is None
    assert len(rest.receive(queue)) == 1


def test_delete_is_204_and_then_404(rest: Rest, queue: str) -> None:
    rest.publish(queue, {"body": 1})
    assert refusal(rest, "DELETE", f"/queues/{queue}", None, if_empty="true").code == "conflict"
    assert refusal(rest, "DELETE", f"/queues/{queue}", None, if_empty="yes").code == "invalid"
    gone = rest.http.delete(f"/queues/{queue}")
    assert (gone.status_code, gone.content) == (204, b"")
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/receive"), ("POST", "/pause"), ("GET", "/messages")]:
        assert refusal(rest, method, f"/queues/{queue}{path}", {} if method == "POST" else None).status == 404


def test_a_name_can_be_used_again(rest: Rest, queue: str) -> None:
    rest.publish(queue, {"body": 1})
    rest.call("DELETE", f"/queues/{queue}")
    assert sum(rest.declare(queue)["counts"].values()) == 0


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/queues/",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_paths_that_are_none_or_not_yet_are_not_found(rest: Rest, path: str, method: str) -> None:
    answer = rest.http.request(method, path)
    assert (answer.status_code, answer.json()["code"], answer.headers["content-type"]) == (
        404,
        "not_found",
        "application/problem+json",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/queues"),
        ("PUT", "/queues/x/messages"),
        ("GET", "/queues/x/receive"),
        ("PUT", "/queues/x/settle"),
        ("DELETE", "/queues/x/raw"),
        ("GET", "/queues/x/pause"),
        ("TRACE", "/queues"),
    ],
)
def test_methods_that_are_none_are_405_and_say_what_is(rest: Rest, method: str, path: str) -> None:
    answer = rest.http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert method not in answer.headers["allow"]


def test_head_is_get_without_a_body(rest: Rest, queue: str) -> None:
    answer = rest.http.head(f"/queues/{queue}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert rest.http.options(f"/queues/{queue}").headers["allow"].startswith("GET")


def test_answers_that_are_errors_are_problems(rest: Rest) -> None:
    answer = rest.http.get("/queues/nobody")
    problem = answer.json()
    msgspec.convert(problem, shapes.Problem)
    assert (problem["status"], problem["code"], problem["retryable"]) == (404, "not_found", False)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in answer.headers
