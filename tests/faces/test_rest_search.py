"""Search over REST: what it finds and shows, exports, suggestions, and what it refuses."""

from __future__ import annotations

import csv
import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from brokerweb.answers.search import running
from brokerweb.core.errors import RateLimited
from brokerweb.faces import export
from brokerweb.faces.codec import answers
from brokerweb.faces.rest import shapes
from tests.clients import Refused, Rest
from tests.eventually import eventually
from tests.faces.test_rest_access import made
from tests.faces.test_rest_queues import refusal
from tests.server import TOKEN, Server


@pytest.fixture
def stream(rest: Rest, name: str) -> str:
    rest.call("PUT", f"/streams/{name}", {"partitions": 2})
    return name


def found(rest: Rest, q: str, *where: str, **more: Any) -> dict[str, Any]:
    answer = rest.call("GET", "/search", None, q=q, **({"in": list(where)} if where else {}), **more)
    msgspec.convert(answer, answers.SearchAnswer)
    return dict(answer)


def test_messages_and_records_are_found_as_browsed(rest: Rest, queue: str, stream: str) -> None:
    fields = {"key": "k", "headers": {"tenant": "globex"}, "correlation_id": "c"}
    [message] = rest.publish(queue, {"body": {"note": "Too late"}, **fields})
    rest.call("POST", f"/streams/{stream}/records", {"records": [{"body": {"note": "late"}, **fields}]})
    where = (f"queue:{queue}", f"stream:{stream}")
    answer = found(rest, "LATE header.tenant=globex key:k correlation:c", *where)
    first, second = answer["items"]
    assert first == {"destination": f"queue:{queue}", **next(rest.browse(queue))}
    assert first["id"] == message["id"]
    record = next(
        record
        for partition in (0, 1)
        for record in rest.call("GET", f"/streams/{stream}/records", None, partition=partition)["records"]
    )
    assert second == {"destination": f"stream:{stream}", **record}
    msgspec.convert(first, answers.FoundMessage)
    msgspec.convert(second, answers.FoundRecord)
    assert (answer["complete"], answer["stopped"], answer["next"]) == (True, None, None)
    assert answer["scanned"] == answer["of"] == 2
    assert found(rest, f"id:{message['id']}")["items"] == [first]
    assert found(rest, "LATE offset>=0", *where)["items"] == [second]


def test_pages_go_on_where_they_stopped(rest: Rest, queue: str) -> None:
    rest.publish(queue, *({"body": n} for n in range(7)))
    after: dict[str, str] = {}
    bodies, seen = [], []
    while True:
        answer = found(rest, "", f"queue:{queue}", limit=3, **after)
        bodies += [item["body"] for item in answer["items"]]
        seen.append((answer["scanned"], answer["of"], answer["stopped"]))
        if answer["complete"]:
            break
        after = {"after": answer["next"]}
    assert bodies == [6, 5, 4, 3, 2, 1, 0]
    assert seen == [(3, 7, "limit"), (6, 7, "limit"), (7, 7, None)]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"q": "stat:dead"}, "/q"),
        ({"in": "orders"}, "/in"),
        ({"in": "topic:orders"}, "/in"),
        ({"limit": "0"}, "/limit"),
        ({"limit": "1001"}, "/limit"),
        ({"budget": "0.05"}, "/budget"),
        ({"budget": "21"}, "/budget"),
        ({"after": "x"}, "/after"),
        ({"x": "y"}, "/x"),
    ],
)
def test_what_cannot_be_asked_is_invalid(rest: Rest, given: dict[str, str], pointer: str) -> None:
    error = refusal(rest, "GET", "/search", None, **given)
    assert (error.status, error.code, error.answer["errors"][0]["pointer"]) == (400, "invalid", pointer)


def test_a_session_searches_too(browser: httpx.Client, rest: Rest, queue: str) -> None:
    rest.publish(queue, {"body": "here"})
    answer = browser.get("/api/v1/search", params={"q": "here", "in": f"queue:{queue}"})
    assert [item["body"] for item in answer.json()["items"]] == ["here"]
    assert browser.get("/api/v1/search/export", params={"q": "here", "in": f"queue:{queue}"}).status_code == 200


def test_nobody_finds_what_they_may_not_browse(rest: Rest, server: Server) -> None:
    mine, theirs = f"mine.{secrets.token_hex(4)}", f"theirs.{secrets.token_hex(4)}"
    word = secrets.token_hex(8)
    for name in (mine, theirs):
        rest.declare(name)
        rest.publish(name, {"body": {word: word}, "key": word, "dedup_id": word})
    calls = [("/search", {"q": word}), ("/search", {"q": f"dedup:{word}"}), ("/search/export", {"q": word}),
             ("/search/suggest", {"prefix": f"$.{word}"})]  # fmt: skip
    for verb in ("publish", "consume", "manage", "monitor", "browse"):
        token = made(rest, ("mine.*", [verb]))["token"]
        with httpx.Client(base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {token}"}) as client:
            for path, params in calls:
                text = client.get(path, params=params).text
                assert theirs not in text
                assert (word in text) == (verb == "browse"), (verb, path)
            answer = client.get("/search", params={"q": "", "in": f"queue:{theirs}"}).json()
            assert (answer["items"], answer["scanned"], answer["of"], answer["complete"]) == ([], 0, 0, True)


def test_more_than_a_few_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_slots", threading.BoundedSemaphore(1))
    with running._slot(), pytest.raises(RateLimited), running._slot():
        pass
    with running._slot():
        pass


def test_a_client_that_leaves_ends_its_search(rest: Rest, server: Server, queue: str) -> None:
    """Else four who left would keep everybody out."""
    rest.publish(queue, {"body": 1})

    def leave(_: int) -> None:
        with httpx.Client(timeout=0.001) as client:
            try:
                client.get(f"{server.url}/api/v1/search?budget=20", headers={"Authorization": f"Bearer {TOKEN}"})
            except httpx.TransportError:
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(leave, range(8)))

    def there_is_room() -> bool:
        try:
            return bool(found(rest, "", f"queue:{queue}")["complete"])
        except Refused as refused:  # those who left end with the turn that runs
            if refused.code != "rate_limited":
                raise
            return False

    eventually(there_is_room, why="nobody is in the way")


# Export


def exported(server: Server, **params: Any) -> httpx.Response:
    return httpx.get(f"{server.url}/api/v1/search/export", params=params, headers={"Authorization": f"Bearer {TOKEN}"})


def test_an_export_has_all_rows_and_says_so(rest: Rest, server: Server, queue: str) -> None:
    rest.publish(queue, *({"body": n} for n in range(100)), *({"body": "x" * 40_000} for _ in range(20)))
    answer = exported(server, **{"in": f"queue:{queue}"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    *rows, last = map(json.loads, answer.text.splitlines())
    assert [row["destination"] for row in rows] == [f"queue:{queue}"] * 120
    assert rows[:5] == found(rest, "", f"queue:{queue}", limit=5)["items"]
    assert [row["body"] for row in rows[20:]] == list(range(99, -1, -1))
    assert last == {"rows": 120, "complete": True, "scanned": 120, "of": 120, "stopped": None}


def test_an_export_is_cut_off_cleanly(rest: Rest, server: Server, queue: str) -> None:
    rest.publish(queue, *({"body": n} for n in range(9)))
    *rows, last = map(json.loads, exported(server, limit=4, **{"in": f"queue:{queue}"}).text.splitlines())
    assert [row["body"] for row in rows] == [8, 7, 6, 5]
    assert (last["rows"], last["complete"], last["stopped"]) == (4, False, "limit")


def test_cells_of_csv_are_no_formulas(rest: Rest, server: Server, queue: str, stream: str) -> None:
    rest.publish(queue, {"body": -5, "key": "=1+1"}, {"body": {"a": 'q"\n,'}, "key": "@x", "headers": {"h": "v"}})
    rest.call("POST", f"/streams/{stream}/records", {"records": [{"body_base64": "AAE=", "key": "+1", "partition": 1}]})
    answer = exported(server, format="csv", **{"in": [f"queue:{queue}", f"stream:{stream}"]})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    head, *rows, last = csv.reader(StringIO(answer.text))
    assert tuple(head) == export.COLUMNS
    two, one, record = [dict(zip(head, row, strict=True)) for row in rows]
    assert (one["body"], one["key"]) == ("'-5", "'=1+1")
    assert (json.loads(two["body"]), two["key"], json.loads(two["headers"])) == ({"a": 'q"\n,'}, "'@x", {"h": "v"})
    assert (record["destination"], record["partition"], record["offset"]) == (f"stream:{stream}", "1", "0")
    assert (record["body"], record["body_base64"], record["key"]) == ("", "AAE=", "'+1")
    assert all(row["published_at"] for row in (one, two, record))
    assert last[0] == "#"
    assert json.loads(last[1])["complete"] is True


@pytest.mark.parametrize("given", [{"q": "stat:dead"}, {"format": "xml"}, {"limit": "1000001"}, {"limit": "0"}, {"after": "x"}])
def test_an_export_refuses_before_it_begins(server: Server, given: dict[str, str]) -> None:
    answer = exported(server, **given)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert httpx.get(f"{server.url}/api/v1/search/export").status_code == 401


def test_an_export_that_is_switched_off_is_refused_to_everybody_and_a_search_goes_on(tmp_path: Path) -> None:
    with Server(tmp_path / "data", environment={"BROKERWEB_EXPORT": "false"}) as server:
        server.start()
        refused = exported(server, q="here")
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "BROKERWEB_EXPORT" in refused.json()["detail"]
        with server.rest() as rest:
            assert rest.call("GET", "/search", q="here")["items"] == []


def test_both_servers_export(either: Server) -> None:
    with either.rest() as rest:
        rest.declare(name := f"q-{secrets.token_hex(4)}")
        rest.publish(name, *({"body": "x" * 30_000} for _ in range(40)))
    answer = exported(either, **{"in": f"queue:{name}"})
    assert len(answer.text.splitlines()) == 41


# Suggestions


def test_suggestions_are_of_what_was_stored_lately(rest: Rest, queue: str) -> None:
    rest.publish(
        queue,
        {"body": {"customer": {"country": "DE"}, "items": [{"qty": 3}]}, "key": "acct 0", "headers": {"tenant": "globex"}},
        {"body": {"customer": {"country": "AT"}, "odd name": 1, "total": 27.42}},
    )

    def suggested(prefix: str) -> list[tuple[Any, ...]]:
        answer = rest.call("GET", "/search/suggest", None, prefix=prefix, **{"in": f"queue:{queue}"})
        msgspec.convert(answer, shapes.SuggestionList)
        return [(item["text"], item["kind"], item["seen"], item["example"]) for item in answer["items"]]

    assert suggested("$.CU") == [("$.customer.country=", "path", 2, '"AT"')]
    assert suggested("$.i") == [("$.items[0].qty=", "path", 1, "3")]
    assert suggested("$.")[0][0] == "$.customer.country="
    assert ('$."odd name"=', "path", 1, "1") in suggested("$")
    assert suggested("$.t") == [("$.total=", "path", 1, "27.42")], "a number, which its text would not be"
    assert suggested("header.") == [("header.tenant=", "header", 1, "globex")]
    assert suggested("key") == [('key:"acct 0"', "key", 1, "acct 0"), ("key:", "field", 0, None)]
    assert ("state:", "field", 0, None) in suggested("")
    for text, kind, *_ in suggested(""):
        q = text if kind == "key" else f"{text}x" if kind != "field" else ""
        assert found(rest, q, f"queue:{queue}")["complete"]
