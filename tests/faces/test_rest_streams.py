"""Streams over REST: declared, appended to, read and waited for, with a token (lean) and with a session (through Django)."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import msgspec
import pytest

from brokerweb.faces.codec import answers
from brokerweb.faces.rest import stream_shapes
from tests.clients import Json, Rest
from tests.faces.test_rest_queues import refusal
from tests.server import Server


@pytest.fixture
def stream(rest: Rest, name: str) -> str:
    """A stream of the test's own, with one partition."""
    rest.call("PUT", f"/streams/{name}")
    return name


def append(rest: Rest, stream: str, *records: Any, **more: Any) -> list[Json]:
    made = [record if isinstance(record, dict) else {"body": record} for record in records]
    return list(rest.call("POST", f"/streams/{stream}/records", {"records": made, **more})["results"])


def read(rest: Rest, stream: str, **asked: Any) -> Json:
    answer = rest.call("GET", f"/streams/{stream}/records", None, **asked)
    msgspec.convert(answer, answers.Records)
    return dict(answer)


def bodies(answer: Json) -> list[Any]:
    return [record["body"] for record in answer["records"]]


# Declare


def test_a_stream_is_declared_changed_read_and_deleted(rest: Rest, name: str) -> None:
    answer = rest.http.put(f"/streams/{name}", json={"partitions": 2, "retention_age": 3600})
    assert answer.status_code == 201
    msgspec.convert(answer.json(), stream_shapes.Stream)
    assert answer.json()["partitions"] == 2
    assert answer.json()["low"] == answer.json()["end"] == {"0": "0", "1": "0"}
    again = rest.http.put(f"/streams/{name}", json={"partitions": 3, "retention_age": None})
    assert (again.status_code, again.json()["partitions"], again.json()["retention_age"]) == (200, 3, None)
    assert rest.call("PATCH", f"/streams/{name}", {"compact": True})["compact"] is True
    assert rest.call("GET", f"/streams/{name}") == rest.call("PUT", f"/streams/{name}")
    assert refusal(rest, "PATCH", f"/streams/{name}", {"partitions": 2}).code == "conflict"
    assert name in [item["name"] for item in rest.call("GET", "/streams", None, prefix=name)["items"]]
    assert rest.call("DELETE", f"/streams/{name}") is None
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/records"), ("GET", "/groups"), ("GET", "/live")):
        assert refusal(rest, method, f"/streams/{name}{path}").code == "not_found", (method, path)


@pytest.mark.parametrize("settings", [{"partitions": 0}, {"x": 1}, {"retention_age": "1"}, {"max_body_bytes": 10**8}, []])
def test_settings_are_checked(rest: Rest, name: str, settings: Any) -> None:
    assert refusal(rest, "PUT", f"/streams/{name}", settings).code == "invalid"


def test_a_stream_that_is_not_empty_is_kept_if_asked(rest: Rest, stream: str) -> None:
    append(rest, stream, 1)
    assert refusal(rest, "DELETE", f"/streams/{stream}?if_empty=true").code == "conflict"


def test_names_that_could_be_nobodys_are_invalid(rest: Rest) -> None:
    assert refusal(rest, "PUT", "/streams/.a").code == "invalid"
    assert refusal(rest, "GET", "/streams/a b/records").code == "invalid"
    assert refusal(rest, "POST", "/streams/.a/records", {"records": [{"body": 1}]}).code == "invalid"


# Append


def test_an_append_answers_where_each_record_is(rest: Rest, stream: str) -> None:
    answer = rest.http.post(f"/streams/{stream}/records", json={"records": [{"body": n} for n in range(3)]})
    assert answer.status_code == 201
    assert answer.json() == {"results": [{"partition": 0, "offset": str(n), "duplicate": False} for n in range(3)]}


def test_a_key_chooses_the_partition_as_kafkas_client_does(rest: Rest, name: str) -> None:
    rest.call("PUT", f"/streams/{name}", {"partitions": 7})
    (first, second) = append(rest, name, {"body": 1, "key": "21"}, {"body": 2, "key": "foobar"})
    assert (first["partition"], second["partition"]) == ((-973932308 & 0x7FFFFFFF) % 7, (-790332482 & 0x7FFFFFFF) % 7)


def test_expected_offset_lets_only_one_writer_through(rest: Rest, stream: str) -> None:
    append(rest, stream, 1, expected_offset=0)
    append(rest, stream, 2, expected_offset="1")
    refused = refusal(rest, "POST", f"/streams/{stream}/records", {"records": [{"body": 3}], "expected_offset": "1"})
    assert (refused.status, refused.code, refused.answer["end"]) == (409, "conflict", "2")


def test_a_duplicate_record_answers_with_the_first_place(rest: Rest, stream: str) -> None:
    first, again = append(rest, stream, {"body": 1, "dedup_id": "d"}, {"body": 2, "dedup_id": "d"})
    assert again == {**first, "duplicate": True}
    assert append(rest, stream, {"body": 3, "dedup_id": "d"}) == [again]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/records"),
        ({"records": []}, "/records"),
        ({"records": [{"body": 1}, {"body": 1, "delay": 1}]}, "/records/1/delay"),
        ({"records": [{"body": 1, "partition": 1}]}, "/records/0/partition"),
        ({"records": [{"body": 1, "body_base64": "AA=="}]}, "/records/0"),
        ({"records": [{}]}, "/records/0"),
        ({"records": [{"body": 1, "key": "x" * 256}]}, "/records/0/key"),
        ({"records": [{"body": 1}], "expected_offset": -1}, "/expected_offset"),
    ],
)
def test_what_is_no_append_is_invalid(rest: Rest, stream: str, body: Json, pointer: str) -> None:
    refused = refusal(rest, "POST", f"/streams/{stream}/records", body)
    assert refused.code == "invalid"
    assert refused.answer["errors"][0]["pointer"] == pointer
    assert read(rest, stream)["end"] == "0"


# Read


def test_reading_goes_on_where_it_stopped(rest: Rest, stream: str) -> None:
    append(rest, stream, *range(5))
    first = read(rest, stream, limit=2)
    assert (bodies(first), first["next"], first["low"], first["end"]) == ([0, 1], "2", "0", "5")
    assert bodies(read(rest, stream, offset=first["next"])) == [2, 3, 4]
    at_end = read(rest, stream, offset=5)
    assert (at_end["records"], at_end["next"]) == ([], "5")


def test_a_record_has_everything_it_came_with(rest: Rest, stream: str) -> None:
    text = b'{"n": 1.10, "a":1, "a":2}'
    about = b'"key":"k","headers":{"h":"v"},"reply_to":"queue:a","correlation_id":"c"'
    sent = b'{"records":[{"body":%b,%b},{"body_base64":"AAE="}]}' % (text, about)
    rest.http.post(f"/streams/{stream}/records", content=sent).raise_for_status()
    content = rest.http.get(f"/streams/{stream}/records").content
    assert b'"body":' + text + b"," in content
    first, second = read(rest, stream)["records"]
    assert (first["key"], first["headers"], first["content_type"]) == ("k", {"h": "v"}, "application/json")
    assert (first["reply_to"], first["correlation_id"], first["partition"], first["offset"]) == ("queue:a", "c", 0, "0")
    assert (second["body_base64"], second["content_type"], second["key"]) == ("AAE=", "application/octet-stream", None)


def test_reading_begins_at_either_end_or_at_an_instant(rest: Rest, stream: str) -> None:
    append(rest, stream, 1)
    append(rest, stream, 2)
    second = read(rest, stream)["records"][1]["appended_at"]
    assert bodies(read(rest, stream, **{"from": "earliest"})) == [1, 2]
    assert read(rest, stream, **{"from": "latest"})["next"] == "2"
    assert bodies(read(rest, stream, **{"from": second})) == [2]
    assert bodies(read(rest, stream, **{"from": "2020-01-01T00:00:00Z"})) == [1, 2]


def test_an_offset_that_is_not_there_is_416_with_the_bounds(rest: Rest, name: str) -> None:
    rest.call("PUT", f"/streams/{name}", {"retention_records": 2})
    append(rest, name, *range(6))
    beyond = refusal(rest, "GET", f"/streams/{name}/records?offset=7")
    assert (beyond.status, beyond.code, beyond.answer["end"]) == (416, "offset_out_of_range", "6")
    deadline = time.monotonic() + 15
    while read(rest, name)["low"] == "0" and time.monotonic() < deadline:
        threading.Event().wait(0.2)
    below = refusal(rest, "GET", f"/streams/{name}/records?offset=0&wait=1")
    assert (below.status, below.answer["low"], below.answer["end"]) == (416, "4", "6")


@pytest.mark.parametrize(
    "query",
    [
        "offset=x", "offset=-1", "offset=1&from=latest", "from=soon", "from=", "from=2026-01-01T00:00Z",
        "limit=0", "limit=1001", "wait=21", "wait=-1", "wait=nan",
        "partition=1", "partition=a", "x=1", "offset=1&offset=1", "offset=%ff",
    ],
)  # fmt: skip
def test_parameters_are_strict(rest: Rest, stream: str, query: str) -> None:
    assert refusal(rest, "GET", f"/streams/{stream}/records?{query}").code == "invalid"


def test_the_partition_is_needed_where_there_are_more(rest: Rest, name: str) -> None:
    rest.call("PUT", f"/streams/{name}", {"partitions": 2})
    assert refusal(rest, "GET", f"/streams/{name}/records").answer["errors"][0]["pointer"] == "/partition"
    append(rest, name, {"body": 1, "partition": 1})
    assert bodies(read(rest, name, partition=1)) == [1]


def test_an_answer_carries_a_bounded_size_and_a_large_record_alone(rest: Rest, stream: str) -> None:
    append(rest, stream, *("x" * 300_000 for _ in range(3)))
    assert len(read(rest, stream)["records"]) == 1
    append(rest, stream, "y" * 900_000)
    assert len(read(rest, stream, offset=3)["records"]) == 1


# Wait


def later(call: Any, *args: Any) -> threading.Thread:
    thread = threading.Thread(target=call, args=args)
    thread.start()
    return thread


def test_a_reader_at_the_end_gets_the_first_record_to_come(either: Server, name: str) -> None:
    with either.rest() as rest, either.rest() as other:
        rest.call("PUT", f"/streams/{name}", {"partitions": 2})
        got: list[Json] = []
        readers = [later(lambda: got.append(read(other, name, partition=1, wait=20)))]
        threading.Event().wait(0.3)
        append(rest, name, {"body": "elsewhere", "partition": 0})
        begun = time.monotonic()
        append(rest, name, {"body": "here", "partition": 1})
        readers[0].join(10)
        assert time.monotonic() - begun < 10  # and not the 20 of its wait
        assert (bodies(got[0]), got[0]["next"], got[0]["end"]) == (["here"], "1", "1")


def test_a_wait_ends_with_nothing_in_time_and_with_the_stream(rest: Rest, server: Server, stream: str) -> None:
    begun = time.monotonic()
    assert read(rest, stream, wait=0.3)["records"] == []
    assert 0.25 < time.monotonic() - begun < 10
    codes: list[str] = []
    with server.rest() as other:
        waiting = later(lambda: codes.append(refusal(other, "GET", f"/streams/{stream}/records?wait=20").code))
        threading.Event().wait(0.3)
        rest.call("DELETE", f"/streams/{stream}")
        waiting.join(10)
    assert codes == ["not_found"]


def test_a_session_reads_and_appends_with_its_csrf_token(browser: httpx.Client, rest: Rest, stream: str) -> None:
    token = browser.headers.pop("X-CSRFToken")
    path = f"/api/v1/streams/{stream}/records"
    assert browser.get(path).status_code == 200
    assert browser.post(path, json={"records": [{"body": 1}]}).status_code == 403
    browser.headers["X-CSRFToken"] = token
    assert browser.post(path, json={"records": [{"body": 1}]}).status_code == 201
    assert bodies(browser.get(path, params={"wait": 5}).json()) == [1]
    assert browser.head(path).status_code == 200
    refused = browser.put(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST, OPTIONS")
