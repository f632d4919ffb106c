"""What messages and settlements may look like, and that bodies go through as they came."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.faces.brokerweb_v1 import frames
from brokerweb.faces.codec import answers
from brokerweb.faces.codec.json import decode, instant_or_null
from brokerweb.faces.codec.messages import PublishRequest, ReceiveRequest, delivered, split, to_new
from brokerweb.faces.codec.settles import SettleRequest, settle_nacks, settled, settles
from brokerweb.faces.rest import shapes
from brokerweb.queues.limits import cut
from brokerweb.queues.messages import Leased, NewMessage, Settle, Settled

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def parsed(message: bytes | dict[str, Any]) -> NewMessage:
    """One message of a publish request, as a verb would get it."""
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    return to_new(decode(PublishRequest, b'{"messages":[%b]}' % text).messages)[0]


def refused(message: bytes | dict[str, Any]) -> dict[str, str]:
    """The first fault of a message that is refused."""
    with pytest.raises(Invalid) as caught:
        parsed(message)
    return dict(caught.value.extra["errors"][0])


def leased(body: bytes = b"1", **changes: Any) -> Leased:
    return msgspec.structs.replace(
        Leased(
            7,
            3,
            1,
            0,
            4,
            None,
            None,
            None,
            False,
            body,
            1_790_000_000_000_000,
            None,
            None,
            None,
            7,
            lease_until=1_790_000_030_500_000,
            lease=30.0,
            receipt="3-7-1",
        ),
        **changes,
    )


@given(JSON, st.sampled_from([None, 1]))
@settings(max_examples=150, deadline=None)
def test_a_json_body_is_delivered_as_the_very_text_it_came_as(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=indent is None).encode()
    new = parsed(b'{"body": %b }' % text)
    assert new.body == text
    assert b'"body":%b,' % text in delivered([leased(new.body)])


@given(st.binary(max_size=3000))
@settings(max_examples=100, deadline=None)
def test_a_binary_body_comes_back_as_the_same_bytes(body: bytes) -> None:
    new = parsed({"body_base64": base64.b64encode(body).decode()})
    assert (new.body, new.binary) == (body, True)
    (out,) = json.loads(delivered([leased(body, binary=True)]))
    assert base64.b64decode(out["body_base64"]) == body
    assert "body" not in out
    assert out["content_type"] == "application/octet-stream"


@pytest.mark.parametrize("body", [b'{"a":1,"a":2}', b"1.50", b"1e400", b'"\\u00e9"', b"-0", b"null", b"12345678901234567890123"])
def test_numbers_and_duplicate_keys_inside_a_body_are_left_alone(body: bytes) -> None:
    assert parsed(b'{"body":%b}' % body).body == body


def test_every_field_reaches_the_verb() -> None:
    new = parsed(
        {
            "body": {"any": "JSON"}, "key": "customer-42", "headers": {"source": "shop"}, "content_type": "application/json",
            "priority": 9, "delay": 30, "ttl": 3600, "dedup_id": "order-1001", "reply_to": "queue:answers",
            "correlation_id": "c1",
        }
    )  # fmt: skip
    assert new == NewMessage(
        b'{"any": "JSON"}', False, "customer-42", '{"source":"shop"}', "application/json", 9, 30.0, None, 3600.0, "order-1001",
        "queue:answers", "c1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        ({}, "/messages/0"),
        ({"body": 1, "body_base64": "AQ=="}, "/messages/0"),
        ({"body_base64": "A"}, "/messages/0/body_base64"),
        ({"body_base64": "AQ"}, "/messages/0/body_base64"),
        ({"body": 1, "surprise": 2}, "/messages/0/surprise"),
        ({"body": 1, "priority": "4"}, "/messages/0/priority"),
        ({"body": 1, "priority": 4.0}, "/messages/0/priority"),
        ({"body": 1, "priority": True}, "/messages/0/priority"),
        ({"body": 1, "priority": 10}, "/messages/0/priority"),
        ({"body": 1, "priority": -1}, "/messages/0/priority"),
        ({"body": 1, "delay": -1}, "/messages/0/delay"),
        ({"body": 1, "delay": "1"}, "/messages/0/delay"),
        ({"body": 1, "delay": True}, "/messages/0/delay"),
        ({"body": 1, "delay": 366 * 86_400 + 1}, "/messages/0/delay"),
        ({"body": 1, "delay": 1, "deliver_at": "2030-01-01T00:00:00Z"}, "/messages/0/deliver_at"),
        ({"body": 1, "deliver_at": "9130-01-01T00:00:00Z"}, "/messages/0/deliver_at"),
        ({"body": 1, "deliver_at": "2026-01-01T00:00:00"}, "/messages/0/deliver_at"),
        ({"body": 1, "deliver_at": "soon"}, "/messages/0/deliver_at"),
        ({"body": 1, "deliver_at": "0001-01-01T00:00:00+23:59"}, None),
        ({"body": 1, "ttl": 0}, "/messages/0/ttl"),
        ({"body": 1, "key": "é" * 128}, "/messages/0/key"),
        ({"body": 1, "key": "a\0b"}, "/messages/0/key"),
        ({"body": 1, "dedup_id": "x" * 256}, "/messages/0/dedup_id"),
        ({"body": 1, "content_type": "a/b\r\nx: y"}, "/messages/0/content_type"),
        ({"body": 1, "headers": {"a": 1}}, "/messages/0/headers"),
        ({"body": 1, "headers": {str(n): "" for n in range(65)}}, "/messages/0/headers"),
        ({"body": 1, "headers": {"a": "x" * 16_384}}, "/messages/0/headers"),
        ({"body": 1, "reply_to": "answers"}, "/messages/0/reply_to"),
        ({"body": 1, "reply_to": "queue:../x"}, "/messages/0/reply_to"),
        (b'{"body":NaN}', ""),
        (b'{"body":1,"delay":Infinity}', ""),
        (b'{"body":1,"delay":1e400}', "/messages/0/delay"),
        (b'{"body":"\xff"}', ""),
        (b'{"body":"\\ud800 and more text"}', "/messages/0/body"),
        (b'{"body":1,"key":"\\udc00 and more text"}', "/messages/0/key"),
        (b'{"body":[1,]}', ""),
        (b'{"body":"\x01"}', ""),
        (b'{"body":%b1%b}' % (b"[" * 101, b"]" * 101), "/messages/0/body"),
        (b'{"body":%b1%b}' % (b"[" * 100_000, b"]" * 100_000), ""),
        (b'{"body":%b1%b}' % (b'{"a":' * 101, b"}" * 101), "/messages/0/body"),
    ],
)
def test_what_breaks_a_rule_is_refused_at_its_place(message: bytes | dict[str, Any], pointer: str | None) -> None:
    if pointer is None:  # the past means now, however long ago
        assert parsed(message).deliver_at is not None
    else:
        assert refused(message)["pointer"] == pointer


def test_a_hundred_levels_are_allowed_and_brackets_inside_strings_are_none() -> None:
    assert parsed(b'{"body":%b1%b}' % (b"[" * 100, b"]" * 100))
    assert parsed({"body": ['"[[{{\\"'] * 200})


def test_limits_are_inclusive() -> None:
    new = parsed({"body": 1, "key": "é" * 127 + "x", "headers": {str(n): "x" for n in range(64)}, "delay": 366 * 86_400})
    assert new.key is not None
    assert len(new.key.encode()) == 255


@pytest.mark.parametrize("count", [0, 1001])
def test_a_publish_has_1_to_1000_messages(count: int) -> None:
    with pytest.raises(Invalid):
        decode(PublishRequest, json.dumps({"messages": [{"body": 1}] * count}).encode())


def test_the_place_in_a_batch_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        to_new(decode(PublishRequest, b'{"messages":[{"body":1},{"body":1,"key":"a\\u0000"}]}').messages)
    assert caught.value.extra["errors"] == [{"pointer": "/messages/1/key", "detail": "a NUL character cannot be stored"}]


PUBLISH = '{"messages":[{"body":1},{"body":2,%s}]}'
NACK = '{"op":"nack","items":[{"receipt":"1-2-3","error":"%s"}]}'
PAUSE = '{"reason":"%s"}'
SETTLE = '{"ack":["1-2-3","\\ud83d"],"nack":[{"receipt":"\\ude00","error":"%s"}],"dead":[{"receipt":"d","reason":"%s"}]}'
FRAME = '{"op":"publish","id":7,"to":"queue:q","messages":[{"body":1,%s}]}'
HALVES = [
    (PublishRequest, PUBLISH % r'"key":"\ud83d"', "/messages/1/key"),
    (PublishRequest, PUBLISH % r'"key":"\ude00\ud83d\ude00"', "/messages/1/key"),
    (PublishRequest, PUBLISH % r'"key":"\uD83D\\ude00"', "/messages/1/key"),
    (PublishRequest, PUBLISH % r'"dedup_id":"x\ud83dx"', "/messages/1/dedup_id"),
    (PublishRequest, PUBLISH % r'"content_type":"\ud83d"', "/messages/1/content_type"),
    (PublishRequest, PUBLISH % r'"reply_to":"queue:\ud83d"', "/messages/1/reply_to"),
    (PublishRequest, PUBLISH % r'"deliver_at":"\ud83d"', "/messages/1/deliver_at"),
    (PublishRequest, PUBLISH % r'"headers":{"error":"\ud83d"}', "/messages/1/headers/error"),
    (PublishRequest, PUBLISH % r'"headers":{"a/\ud83d":"v"}', "/messages/1/headers/a~1\ufffd"),
    (PublishRequest, r'{"messages":[{"body":{"a":["\ud83d"]}}]}', "/messages/0/body"),
    (PublishRequest, PUBLISH % r'"\ud83d":1', "/messages/1/\ufffd"),
    (frames.FRAME, FRAME % r'"key":"\ud83d"', "/messages/0/key"),
    (frames.FRAME, r'{"op":"publish","id":"\ud83d","to":"queue:q","messages":[{"body":1}]}', "/id"),
    (frames.FRAME, r'{"op":"consume","id":1,"queue":"\ud83d"}', "/queue"),
    (frames.FRAME, r'{"op":"subscribe","id":1,"stream":"s","from":{"\ud83d":1}}', "/from/\ufffd"),
    (frames.FRAME, r'{"op":"transact","settle":{"\ud83d":{"ack":[]}}}', "/settle/\ufffd"),
    (shapes.QueueSettings, r'{"lease":1,"on_expire":"\ud83d"}', "/on_expire"),
    (dict[str, Any], r'{"error":{"reason":["\ud83d"]}}', "/error/reason/0"),
]


FAULTS = [
    (frames.FRAME, '{"op":"consume","id":1,"queue":"q","ack":"no"}', "/ack", "one of explicit, none"),
    (shapes.QueueSettings, '{"overflow":"drop"}', "/overflow", "one of dead_letter_oldest, refuse"),
    (frames.FRAME, '{"op":"publish","to":"queue:q"}', "/messages", "is missing"),
    (
        frames.FRAME,
        '{"op":"publish","to":"queue:q","messages":[{"bdy":1}]}',
        "/messages/0/bdy",
        "unknown field; did you mean body?",
    ),
    (frames.FRAME, '{"op":"publish","to":"queue:q","messages":[{"x":1}]}', "/messages/0/x", "unknown field"),
    (frames.FRAME, '{"op":"publish","to":1,"messages":[]}', "/to", "must be a text, and is an integer"),
    (shapes.QueueSettings, '{"keyed":3}', "/keyed", "must be true or false or null, and is an integer"),
    (shapes.QueueSettings, "[]", "", "must be an object, and is a list"),
]


@pytest.mark.parametrize(("kind", "text", "pointer", "detail"), FAULTS)
def test_a_fault_says_what_is_wanted(kind: Any, text: str, pointer: str, detail: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode(kind, text)
    assert caught.value.extra["errors"] == [{"pointer": pointer, "detail": detail}]


@pytest.mark.parametrize(("kind", "text", "pointer"), HALVES)
@pytest.mark.parametrize("as_bytes", [True, False])
def test_half_a_surrogate_pair_is_refused_at_its_place(kind: Any, text: str, pointer: str, as_bytes: bool) -> None:
    with pytest.raises(Invalid) as caught:
        decode(kind, text.encode() if as_bytes else text)
    (fault,) = caught.value.extra["errors"]
    assert fault["pointer"] == pointer
    assert any(word in fault["detail"] for word in ("surrogate", "field", "one of"))
    assert "\ufdd0" not in str(caught.value)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (r"end \ud83d", "end \ufffd"),
        (r"\ud83d middle", "\ufffd middle"),
        (r"low \ude00", "low \ufffd"),
        (r"reversed \ude00\uD83D", "reversed \ufffd\ufffd"),
        (r"after one \ud83d\ud83d\ude00", "after one \ufffd\U0001f600"),
        (r"whole \ud83d\ude00, escaped \\ud83d, half \udbff", "whole \U0001f600, escaped \\ud83d, half \ufffd"),
        (r"\ud83d is no \ufdd0 nor \uFDD1 nor \ufdd2".replace(r"\ufdd2", "\ufdd2"), "\ufffd is no \ufdd0 nor \ufdd1 nor \ufdd2"),
        (r"\u0000 \ud83d", "\ufffd \ufffd"),
        (r"\ud83d" * 3000, "\ufffd" * 2000),
    ],
)
def test_half_a_surrogate_pair_in_free_text_is_mended(sent: str, kept: str) -> None:
    assert settles(decode(SettleRequest, (SETTLE % (sent, sent)).encode())) == [
        Settle("ack", "1-2-3"),
        Settle("ack", "\ufffd"),
        Settle("nack", "\ufffd", None, kept),
        Settle("dead", "d", None, kept),
    ]
    frame = decode(frames.FRAME, NACK % sent)
    assert settle_nacks(frame.items) == [Settle("nack", "1-2-3", None, kept)]
    pause = decode(shapes.PauseRequest, PAUSE % sent)
    assert cut(pause.reason) == kept


def test_a_frame_that_is_refused_for_a_half_still_has_its_id() -> None:
    assert frames.id_of(FRAME % r'"key":"\ud83d"') == 7
    assert frames.id_of(r'{"op":"ping","id":"\ud83d"}') is None


@pytest.mark.parametrize("text", [r'{"ack":["\ud83d"', r'{"ack":["\ud8"]}', r'{"ack":["\ud83d"],}', "\\" * 1000, '{"ack":["\\'])
def test_malformed_json_stays_malformed_with_a_half_in_it(text: str) -> None:
    with pytest.raises(Invalid):
        decode(SettleRequest, text)


def test_there_may_be_only_so_many_halves() -> None:
    with pytest.raises(Invalid):
        decode(frames.FRAME, NACK % (r"\ud83d" * 10_001))
    with pytest.raises(Invalid):  # every stand-in is taken
        decode(frames.FRAME, NACK % (r"\ud83d" + "".join(map(chr, range(0xFDD0, 0xFDF0)))))


@settings(deadline=None)
@given(st.text(st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("\\ud83de0")))
def test_any_text_that_json_can_say_is_an_errors(text: str) -> None:
    """As Python's own JSON reads it, with every half of a pair replaced."""
    sent = json.dumps({"nack": [{"receipt": "r", "error": text}]})
    (asked,) = settles(decode(SettleRequest, sent))
    heard = json.loads(sent)["nack"][0]["error"]
    assert (asked.error or "") == cut_in_python(heard)


def cut_in_python(text: str) -> str:
    return "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 or c == "\0" else c for c in text)[:2000]


@pytest.mark.parametrize(
    "field",
    [{"wait": 21}, {"wait": -1}, {"max": 0}, {"max": 1001}, {"max": 1.0}, {"lease": 0}, {"lease": 43_201}, {"ack": "auto"}],
)
def test_receive_has_its_ranges(field: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        decode(ReceiveRequest, json.dumps(field).encode())


def test_settlements_keep_the_order_ack_nack_release_dead_extend() -> None:
    asked = {
        "extend": [{"receipt": "e", "lease": 5}], "dead": [{"receipt": "d", "reason": "no"}], "release": ["r"],
        "nack": [{"receipt": "n", "delay": 0, "error": "x" * 3000}], "ack": ["a"],
    }  # fmt: skip
    assert settles(decode(SettleRequest, json.dumps(asked).encode())) == [
        Settle("ack", "a"),
        Settle("nack", "n", 0.0, "x" * 2000),
        Settle("release", "r"),
        Settle("dead", "d", None, "no"),
        Settle("extend", "e", None, None, 5.0),
    ]


def test_a_thousand_receipts_is_the_limit_of_all_kinds_together() -> None:
    asked = {"ack": ["a"] * 600, "release": ["b"] * 401}
    with pytest.raises(Invalid):
        settles(decode(SettleRequest, json.dumps(asked).encode()))


def test_a_receipt_that_is_no_string_is_invalid() -> None:
    with pytest.raises(Invalid) as caught:
        decode(SettleRequest, b'{"ack":["a",7]}')
    assert caught.value.extra["errors"][0]["pointer"] == "/ack/1"


def test_delivered_messages_have_the_fields_of_the_contract() -> None:
    message = leased(b"1", key='é"', headers='{"a":"b"}', reply_to="queue:x", expires_at=1_790_000_000_000_001)
    (out,) = json.loads(delivered([message]))
    msgspec.convert(out, answers.Delivered)
    assert out == {
        "id": "7", "receipt": "3-7-1", "body": 1, "content_type": "application/json", "key": 'é"', "headers": {"a": "b"},
        "priority": 4, "published_at": "2026-09-21T14:13:20.000000Z", "expires_at": "2026-09-21T14:13:20.000001Z",
        "reply_to": "queue:x", "correlation_id": None, "attempts": 1, "failures": 0, "redrives": 0,
        "lease_until_at": "2026-09-21T14:13:50.500000Z", "lease": 30.0,
    }  # fmt: skip


def test_without_acknowledgement_there_is_no_receipt_and_no_lease() -> None:
    (out,) = json.loads(delivered([leased(receipt=None, lease=0, lease_until=0)]))
    assert (out["receipt"], out["lease"], out["lease_until_at"]) == (None, None, None)


def test_messages_of_one_batch_keep_what_is_their_own() -> None:
    batch = [leased(b"%d" % n, id=n, priority=n % 3, key=str(n), binary=n % 4 == 0, redrives=n % 2) for n in range(1, 20)]
    out = json.loads(delivered(batch))
    told = [(m["id"], m["priority"], m["key"], m["redrives"]) for m in out]
    assert told == [(str(m.id), m.priority, m.key, m.redrives) for m in batch]
    assert json.loads(delivered([])) == []


@given(st.integers(0, 4_000_000_000_000_000))
def test_instants_are_written_as_the_clock_writes_them(instant: int) -> None:
    assert instant_or_null(instant) == f'"{clock.rfc3339(instant)}"'


def test_frames_carry_at_most_512_kib_of_bodies_and_a_larger_one_goes_alone() -> None:
    sizes = [200_000, 300_000, 100_000, 600_000, 5, 512 * 1024, 1]
    runs = [[len(m.body) for m in run] for run in split([leased(b"x" * size) for size in sizes])]
    assert runs == [[200_000, 300_000], [100_000], [600_000], [5], [512 * 1024], [1]]
    assert list(split([])) == []


def test_receipts_in_answers_are_escaped() -> None:
    answers = json.loads(settled([Settled('"}', "lease_lost"), Settled("1-2-3", "ok", 1_790_000_000_000_000)]))
    assert answers[0] == {"receipt": '"}', "status": "lease_lost"}
    assert answers[1]["lease_until_at"] == "2026-09-21T14:13:20.000000Z"


def test_pointers_are_escaped() -> None:
    assert refused({"body": 1, "a/b~c": 1})["pointer"] == "/messages/0/a~1b~0c"
