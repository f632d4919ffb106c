"""What is shown in a form and stored again changes nothing that nobody touched: in a real browser, byte for byte."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.clients import Rest
from tests.console.browser import Visit, chromium, refreshed, sign_in, visiting
from tests.eventually import eventually
from tests.server import Server

pytestmark = pytest.mark.long
LATER = 86_400


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with Server(tmp_path_factory.mktemp("untouched") / "data") as server:
        yield server.start()


@pytest.fixture(scope="module")
def visit(broker: Server) -> Generator[Visit]:
    """A page that is signed in."""
    with chromium() as browser, visiting(browser, broker.url, viewport={"width": 1280, "height": 860}) as visit:
        sign_in(visit.page)
        yield visit


@pytest.fixture
def rest(broker: Server) -> Generator[Rest]:
    with broker.rest() as rest:
        yield rest


def binary(raw: bytes, **fields: Any) -> dict[str, Any]:
    return {"body_base64": base64.b64encode(raw).decode(), **fields}


EVERY_BYTE = bytes(range(256))
CONTROLS = bytes(range(1, 128)).replace(b"\r", b"") + "\x80\x85\x9f\xa0".encode()
TEXTS = {
    "no type": binary(b"\n\x05hello\x12\x03abc"),
    "typed": binary(b"\n\x05hello\x12\x03abc", content_type="application/x-protobuf"),
    "a type with parameters": binary(b"x", content_type='Text/Plain; Charset=UTF-8; format="flowed; delsp=no"'),
    "begins with empty lines": binary(b"\n\nabc", content_type="text/plain"),
    "ends with an empty line": binary(b"abc\n", content_type="text/plain"),
    "only a line end": binary(b"\n", content_type="text/plain"),
    "only CR LF": binary(b"\r\n"),
    "white space around": binary(b" \t a  ", content_type="text/plain"),
    "CR LF": binary(b"a;b\r\nc;d\r\n", content_type="text/csv"),
    "CR": binary(b"a\rb", content_type="text/csv"),
    "line ends of several kinds": binary(b"a\r\nb\nc\rd\r\r\n", content_type="text/csv"),
    "control characters": binary(CONTROLS, content_type="text/plain"),
    "every byte": binary(EVERY_BYTE),
    "NUL": binary(b"a\0b\n"),
    "nothing": binary(b""),
    "nothing, typed": binary(b"", content_type="text/plain"),
    "byte order mark": binary(b"\xef\xbb\xbfabc", content_type="text/plain"),
    "UTF-16": binary("\ufeffabc".encode("utf-16")),
    "separators, directions, joiners": binary("a\u2028b\u2029\u202ec\u200d\u0085d\U0001f468\u200d\U0001f469".encode()),
    "no characters": binary("a\ufdd0\ufffe\uffff\U0010ffffb".encode(), content_type="text/plain"),
    "composed or not": binary("\u00e9e\u0301\u1e9b\u0323".encode()),
    "not UTF-8": binary(b"caf\xe9", content_type="text/plain; charset=iso-8859-1"),
    "half a pair, in bytes": binary(b"\xed\xa0\xbd"),
    "looks like JSON": binary(b'{"a": 1}', content_type="application/json"),
    "looks like Base64": binary(b"AP8="),
    "looks like a page": binary(b"</textarea><script>broke('x')</script>&amp;&#13;&lt;"),
}
FIELDS = {
    "headers": {"a": " x ", "b": "", "c:d": "e", "": "no name", "é": "ü", "n": "1\n2", "r": "1\r\n2\r3", "{": "}"},
    "headers in their order": {"z": "1", "a": "2", "M": "3", "m": "4"},
    "a header like an object": {"{a": "1"},
    "a header with a separator": {"a": "1\u2028b: 2\x85\x0b"},
    "traceparent": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
}
OTHERS: dict[str, dict[str, Any]] = {
    "key with spaces": {"key": "  k  "},
    "key of spaces": {"key": "   "},
    "key with lines": {"key": "a\nb\r\nc\rd\n"},
    "empty key": {"key": ""},
    "key with controls": {"key": "a\x01\x7f\u202e\U0001f98a"},
    "empty correlation": {"correlation_id": ""},
    "correlation with spaces": {"correlation_id": " c\t"},
    "correlation with lines": {"correlation_id": "\nc\n"},
    "type with spaces": {"content_type": " application/json "},
    "type of JSON": {"content_type": "application/vnd.x+json; v=1"},
    "ttl": {"ttl": 3600.123456},
    "ttl to the microsecond": {"ttl": 600.000001},
    "long ttl": {"ttl": 3162239999.999999},
    "lowest priority": {"priority": 0},
    "highest priority": {"priority": 9},
    "reply": {"reply_to": "queue:x", "correlation_id": "c"},
}
JSON = {
    "CR LF": b'{"a":\r\n1}',
    "lines of several kinds": b'{"a":\r1,\n"b":\r\n2}',
    "spaces": b'{ "a" : 1.0e0 ,\t"a":2}',
    "beyond 2^53": b'{"n": 9007199254740993, "m": 12345678901234567890123456789012345678901234567890}',
    "1e400": b"1e400",
    "-0.0": b"-0.0",
    "escapes": rb'"\u00e9\/\ud83d\ude00\u2028\n"',
    "separators": '"\u2028\u202e\ufeff"'.encode(),
    "NUL": rb'"a\u0000b"',
    "a page": b'"</textarea><script>broke(1)</script>&amp;"',
    "null": b"null",
    "empty text": b'""',
    "deep": b"[" * 100 + b"]" * 100,
    "emoji": '{"\U0001f98a": "\U0001f468\u200d\U0001f469"}'.encode(),
    "doubles": b'{"a":1,"a":1,"b":{"b":2,"b":3}}',
}
KEPT = ("content_type", "key", "headers", "priority", "reply_to", "correlation_id")


def published(rest: Rest, queue: str) -> dict[str, str]:
    """A message of each case, which waits; the ids by their cases."""
    given = {**TEXTS, **{name: {"body": 1, "headers": headers} for name, headers in FIELDS.items()}}
    given |= {name: {"body": 1, **fields} for name, fields in OTHERS.items()}
    ids = {name: rest.publish(queue, {**message, "delay": LATER})[0]["id"] for name, message in given.items()}
    for name, body in JSON.items():
        content = b'{"messages":[{"delay":%d,"body":%s}]}' % (LATER, body)
        answer = rest.http.post(f"/queues/{queue}/messages", content=content).json()
        ids[f"JSON: {name}"] = answer["results"][0]["id"]
    return ids


def stored(rest: Rest, queue: str, id: str) -> dict[str, Any]:
    """Everything a copy has of its original, its body as the text or bytes it came as, and the order of the headers."""
    text = rest.http.get(f"/queues/{queue}/messages/{id}").text
    message = json.loads(text)
    body = text[text.index('"body":') : text.index(',"content_type"')] if "body" in message else message["body_base64"]
    return {"body": body, "ttl": ttl(message), **{name: message[name] for name in KEPT}, "names": list(message["headers"])}


def ttl(message: dict[str, Any]) -> timedelta | None:
    """Counted from when it is due."""
    at, end = message["due_at"], message["expires_at"]
    return None if end is None else datetime.fromisoformat(end) - datetime.fromisoformat(at)


def replaced(page: Page, queue: str, id: str) -> str:
    """Edit a copy without touching a thing; the copy's id."""
    page.goto(f"/queues/{queue}/messages/{id}/edit")
    return saved_copy(page)


def saved_copy(page: Page) -> str:
    page.get_by_role("button", name="Replace by this copy").click()
    expect(page.get_by_text("took the place of")).to_be_visible()
    return page.url.rpartition("/")[2]


def test_an_edited_copy_keeps_every_byte_that_was_not_touched(visit: Visit, rest: Rest):
    rest.declare("copies")
    ids = published(rest, "copies")
    before = {name: stored(rest, "copies", id) for name, id in ids.items()}
    after = {name: stored(rest, "copies", replaced(visit.page, "copies", id)) for name, id in ids.items()}
    assert {name: seen for name, seen in after.items() if seen != before[name]} == {}


def test_a_dead_letter_with_a_time_to_live_keeps_it(visit: Visit, rest: Rest):
    rest.declare("lasting")
    rest.publish("lasting", {"body": 1, "ttl": 3600.123456, "key": " k\n"})
    rest.settle("lasting", dead=[{"receipt": message["receipt"], "reason": "bad"} for message in rest.receive("lasting")])
    [dead] = rest.call("GET", "/queues/lasting/messages")["items"]
    copy = rest.call("GET", f"/queues/lasting/messages/{replaced(visit.page, 'lasting', dead['id'])}")
    [message] = rest.receive("lasting")
    assert (message["id"], message["key"]) == (copy["id"], " k\n")


@pytest.mark.parametrize(
    ("body", "edited", "stored_as"),
    [
        (b"a;b\r\nc;d\r\n", "a;b\nc;e\n", b"a;b\r\nc;e\r\n"),
        (b"a\rb", "a\nc", b"a\rc"),
        (b"a\nb\n", "a\nc\n\n", b"a\nc\n\n"),
    ],
)
def test_an_edited_body_keeps_its_line_ends_and_the_rest_of_the_message(
    visit: Visit, rest: Rest, body: bytes, edited: str, stored_as: bytes
):
    rest.declare("edited")
    fields = {"key": "a\nb", "headers": {"n": "1\r\n2"}, "correlation_id": "", "content_type": " text/csv "}
    [made] = rest.publish("edited", binary(body, delay=LATER, **fields))
    before = stored(rest, "edited", made["id"])
    visit.page.goto(f"/queues/edited/messages/{made['id']}/edit")
    visit.page.get_by_label("Body", exact=True).fill(edited)
    after = stored(rest, "edited", saved_copy(visit.page))
    assert base64.b64decode(after["body"]) == stored_as
    assert {**after, "body": ""} == {**before, "body": ""}


def test_what_was_touched_is_what_was_typed(visit: Visit, rest: Rest):
    rest.declare("touched")
    fields = {"key": "a\nb", "headers": {"n": "1\n2"}, "correlation_id": "c", "content_type": "text/x", "priority": 7}
    [made] = rest.publish("touched", {"body": 1, "delay": LATER, **fields})
    page = visit.page
    page.goto(f"/queues/touched/messages/{made['id']}/edit")
    for label, value in (("Key", "new"), ("Content type", ""), ("Priority", ""), ("Correlation id", ""), ("Headers", "x: y")):
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_label("Body is").select_option("text")
    after = stored(rest, "touched", saved_copy(page))
    assert base64.b64decode(after.pop("body")) == b"1"
    assert after == {
        "ttl": None,
        "content_type": "text/plain; charset=utf-8",
        "key": "new",
        "headers": {"x": "y"},
        "names": ["x"],
        "priority": 4,
        "reply_to": None,
        "correlation_id": None,
    }


THIRD, WIDE = 1 / 3, 0.1 + 0.2
BACKOFF = {"initial": WIDE, "factor": 1 + THIRD, "max": 12345.678901, "jitter": THIRD}
SETTINGS: list[tuple[str, str, dict[str, Any]]] = [
    ("/queues/kept", "/queues/kept/settings", {}),
    (
        "/queues/odd",
        "/queues/odd/settings",
        {
            "lease": 1 + THIRD,
            "max_failures": None,
            "backoff": BACKOFF,
            "keyed": True,
            "ttl": 0.001,
            "on_expire": "dead",
            "max_length": 2**53 - 1,
            "overflow": "dead_letter_oldest",
            "dedup_window": 0,
            "max_body_bytes": 1,
            "expires": 86400.000001,
            "search": ["$.order.id", 'header."odd name"'],
        },
    ),
    ("/streams/kept", "/streams/kept/settings", {"partitions": 3}),
    (
        "/streams/odd",
        "/streams/odd/settings",
        {
            "retention_age": 3e8 + THIRD,
            "retention_bytes": 2**53 - 1,
            "retention_records": 2**53 - 3,
            "compact": True,
            "search": ["$.a[0]"],
        },
    ),
    ("/streams/kept/groups/readers", "/streams/kept/groups/readers/settings", {"session_timeout": 15 + THIRD}),
    (
        "/streams/kept/groups/workers",
        "/streams/kept/groups/workers/settings",
        {"kind": "shared", "lease": 1 + THIRD, "max_failures": None, "backoff": BACKOFF},
    ),
    (
        "/topics/kept",
        "/topics/kept/settings",
        {
            "unrouted": "drop",
            "dedup_window": WIDE,
            "bindings": [{"pattern": "a.#", "to": "queue:kept", "headers": {" n ": "1\r\n2"}}],
        },
    ),
]
MOVING = ("counts", "rates", "oldest_ready_age")


def test_settings_that_nobody_touched_stay_to_the_last_digit(visit: Visit, rest: Rest):
    for place, page, settings in SETTINGS:
        rest.call("PUT", place, settings)
        before = rest.http.get(place).text
        assert {name: json.loads(before)[name] for name in settings} == settings
        visit.page.goto(page)
        visit.page.get_by_role("button", name="Save settings").click()
        expect(visit.page.get_by_text("Settings saved.")).to_be_visible()
        after = rest.http.get(place).text
        assert fixed(after) == fixed(before), place


def fixed(answer: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(answer).items() if name not in MOVING}


def test_a_binding_with_odd_headers_goes_and_comes_back_as_it_was(visit: Visit, rest: Rest):
    rest.declare("kept")
    odd = {" n ": "1\r\n2\r3\n", "": "\u2028", "{": "\U0001f98a\x01", "h": ""}
    bound = [{"pattern": p, "to": "queue:kept", "headers": odd if p == "b.#" else {}} for p in ("a.*", "b.#", "c")]
    rest.call("PUT", "/topics/odd", {"bindings": bound})
    before = rest.call("GET", "/topics/odd")["bindings"]
    visit.page.goto("/topics/odd/bindings")
    visit.page.get_by_role("button", name="Remove b.#").click()
    expect(visit.page.get_by_text("No longer bound.", exact=True)).to_be_visible()
    assert len(rest.call("GET", "/topics/odd")["bindings"]) == 2
    visit.page.get_by_role("button", name="Undo").click()
    expect(visit.page.get_by_text("Undone: bound again.")).to_be_visible()
    assert rest.call("GET", "/topics/odd")["bindings"] == before


def test_a_replay_finds_keys_as_they_were_typed(visit: Visit, rest: Rest):
    """Spaces belong to a key, and only what a browser sends for a line's end parts two of them."""
    rest.declare("found")
    rest.call("PUT", "/streams/keys", {})
    keys = [" first", "a\u2028b", "last ", "first", "a", "b", "last"]
    rest.call("POST", "/streams/keys/records", {"records": [{"body": key, "key": key} for key in keys]})
    visit.page.goto("/streams/keys/replay")
    visit.page.get_by_label("Keys").fill("\n".join(keys[:3]))
    visit.page.get_by_label("To", exact=True).fill("queue:found")
    visit.page.get_by_role("button", name="Preview").click()
    visit.page.get_by_role("button", name="Start the replay").click()
    expect(visit.page.get_by_role("heading", name="Progress")).to_be_visible()
    eventually(lambda: rest.queue("found")["counts"]["ready"] == 3)
    assert [message["body"] for message in rest.receive("found")] == keys[:3]


def test_a_seek_goes_where_its_preview_said(visit: Visit, rest: Rest):
    rest.call("PUT", "/streams/sought", {"partitions": 2})
    rest.call("PUT", "/streams/sought/groups/readers", {"start": "earliest"})
    records = [{"body": n, "partition": n % 2} for n in range(20)]
    rest.call("POST", "/streams/sought/records", {"records": records})
    page = visit.page
    page.goto("/streams/sought/groups/readers/seek")
    page.get_by_label("Go to").select_option("offsets")
    page.get_by_label("Offsets").fill("0: 7\n1: 3")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Move the group").click()
    expect(page.get_by_text("Moved.")).to_be_visible()
    refreshed(page)
    shown = rest.call("GET", "/streams/sought/groups/readers")
    assert [part["committed"] for part in shown["partitions"]] == ["7", "3"]
