"""Search finds what somebody finds who looks at everything, each once, while other messages come and go."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.answers.search import scan
from brokerweb.core.errors import Invalid
from brokerweb.identity.grants import Permit
from brokerweb.identity.principal import Principal
from brokerweb.queues import bulk, control, filters, fingerprints, redaction
from brokerweb.queues import engine as queues
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message, SettledMessage
from brokerweb.queues.states import REJECTED, State
from brokerweb.storage.run import perform
from brokerweb.streams import control as streams_control
from brokerweb.streams import engine as streams
from brokerweb.streams.records import NewRecord
from tests.answers.examples import examples
from tests.answers.searching import all_of, once, place_of, places, shown
from tests.queues.bench import Bench, Time

pytestmark = pytest.mark.usefixtures("database")
numbers = itertools.count(1)

# Everything is drawn from few words, so that queries meet what is there.
WORDS = ["late", "Late", "DE", "Müller", "a b", 'q"t', "\\u0041", "l\\ate", "k", "1", "true", ""]
VALUES = st.sampled_from([*WORDS, 0, 1, -1, 2**53, 2**53 + 1, 10**30, Decimal("0.10"), Decimal("1.0"), True, False, None])
NAMES = st.sampled_from(["a", "b", "x y", "late"])
BODIES = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6)


def written(value: Any, *, ascii_only: bool) -> bytes:
    """JSON, its decimals exact."""
    if isinstance(value, Decimal):
        return str(value).encode()
    if isinstance(value, list):
        return b"[%b]" % b",".join(written(item, ascii_only=ascii_only) for item in value)
    if isinstance(value, dict):
        pairs = (written(k, ascii_only=ascii_only) + b": " + written(v, ascii_only=ascii_only) for k, v in value.items())
        return b"{%b}" % b",".join(pairs)
    return json.dumps(value, ensure_ascii=ascii_only).encode()


ODD = [b'"l\\u0061te"', b'{"\\u0061":"DE"}', b'"\\/"']
TEXT_BODIES = st.one_of(st.builds(lambda v, a: written(v, ascii_only=a), BODIES, st.booleans()), st.sampled_from(ODD))
MESSAGES = st.fixed_dictionaries(
    {
        "body": TEXT_BODIES,
        "key": st.none() | st.sampled_from(["k", "K", "l"]),
        "headers": st.none() | st.dictionaries(st.sampled_from(["h", "x y"]), st.sampled_from(WORDS), min_size=1).map(json.dumps),
        "correlation_id": st.none() | st.sampled_from(["k", "c"]),
    }
) | st.fixed_dictionaries(
    {"body": st.sampled_from([b"\0late", b"\xff\xfelate", "Müller late".encode()]), "binary": st.just(True)}
)

PATHS = st.sampled_from(
    [("$", ()), ("$.a", ("a",)), ("$.b[0]", ("b", 0)), ('$."x y"', ("x y",)), ("$.a.a", ("a", "a")), ("$[1]", (1,))]
)
Asked = tuple[str, Callable[[dict[str, Any], Any], bool]]


def fold(text: str) -> str:
    return "".join(c.lower() if len(c.lower()) == 1 and (c.isascii() or not c.lower().isascii()) else c for c in text)


def walk(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        try:
            value = value[step] if isinstance(value, dict if isinstance(step, str) else list) else KeyError
        except (LookupError, TypeError):
            value = KeyError
    return value


def same(one: Any, other: Any) -> bool:
    kinds = [bool if isinstance(v, bool) else int if isinstance(v, int | Decimal) else type(v) for v in (one, other)]
    return kinds[0] is kinds[1] and one == other


def has_text(about: dict[str, Any], found: Any, word: str) -> bool:
    texts = [getattr(found, "last_error", None) or ""]
    if about["body"] is not None:
        try:
            texts.append(about["body"].decode())
        except UnicodeDecodeError:
            pass
        if not about["binary"]:
            texts.append(resolved(about["body"].decode()))
    return any(fold(word) in fold(text) for text in texts)


def resolved(text: str) -> str:
    """JSON's escapes, one by one."""
    parts, rest = [], text
    while rest:
        if rest[0] == "\\":
            n = 6 if rest[1] == "u" else 2
            if n == 6 and rest[2:4].lower() in ("d8", "d9", "da", "db"):
                n = 12
            parts.append(json.loads(f'"{rest[:n]}"'))
            rest = rest[n:]
        else:
            parts.append(rest[0])
            rest = rest[1:]
    return "".join(parts)


def literal(value: Any) -> str:
    return written(value, ascii_only=False).decode()


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def text_condition(word: str) -> Asked:
    return quoted(word or "late"), lambda about, found: has_text(about, found, word or "late")


def equals(drawn: tuple[tuple[str, Any], Any, bool]) -> Asked:
    (text, path), value, negative = drawn
    operator = "!=" if negative else "="

    def test(about: dict[str, Any], found: Any) -> bool:
        there = walk(about["value"], path)
        return there is not KeyError and same(there, value) != negative

    return f"{text}{operator}{literal(value)}", test


def contains(drawn: tuple[tuple[str, Any], str]) -> Asked:
    (text, path), word = drawn

    def test(about: dict[str, Any], found: Any) -> bool:
        there = walk(about["value"], path)
        return isinstance(there, str) and fold(word) in fold(there)

    return f"{text}~{quoted(word)}", test


def above(drawn: tuple[tuple[str, Any], Any]) -> Asked:
    (text, path), number = drawn

    def test(about: dict[str, Any], found: Any) -> bool:
        there = walk(about["value"], path)
        return isinstance(there, int | Decimal) and not isinstance(there, bool) and there >= number

    return f"{text}>={literal(number)}", test


def header(drawn: tuple[str, str, str]) -> Asked:
    name, operator, word = drawn

    def test(about: dict[str, Any], found: Any) -> bool:
        there = about["headers"].get(name)
        if there is None:
            return False
        return (there == word) if operator == "=" else (there != word) if operator == "!=" else fold(word) in fold(there)

    return f"header.{quoted(name)}{operator}{quoted(word)}", test


def column(drawn: tuple[str, str, str]) -> Asked:
    field, operator, word = drawn
    name = {"correlation": "correlation_id"}.get(field, field)

    def test(about: dict[str, Any], found: Any) -> bool:
        there = getattr(found, name)
        if there is None:
            return False
        return (there == word) if operator == "=" else (there != word) if operator == "!=" else fold(word) in fold(there)

    return f"{field}{operator}{quoted(word)}", test


ABOUT_BOTH: list[st.SearchStrategy[Asked]] = [
    st.sampled_from(WORDS).map(text_condition),
    st.tuples(PATHS, VALUES, st.booleans()).map(equals),
    st.tuples(PATHS, st.sampled_from(WORDS)).map(contains),
    st.tuples(PATHS, st.sampled_from([0, 1, 2**53 + 1, Decimal("0.1")])).map(above),
    st.tuples(st.sampled_from(["h", "x y"]), st.sampled_from(["=", "!=", "~"]), st.sampled_from(WORDS)).map(header),
    st.tuples(st.sampled_from(["key", "correlation"]), st.sampled_from(["=", "!=", "~"]), st.sampled_from(["k", "K"])).map(
        column
    ),
]


def states_condition(drawn: tuple[list[State], bool]) -> Asked:
    chosen, negative = drawn
    names = ",".join(state.name.lower() for state in chosen)
    return f"state{'!=' if negative else ':'}{names}", lambda about, found: (found.state in chosen) != negative


def attempts(n: int) -> Asked:
    return f"attempts>={n}", lambda about, found: found.attempts >= n


def error_condition(word: str) -> Asked:
    return f"error~{quoted(word)}", lambda about, found: found.last_error is not None and word in fold(found.last_error)


def cause(drawn: tuple[str, str]) -> Asked:
    operator, fingerprint = drawn

    def test(about: dict[str, Any], found: Any) -> bool:
        return found.fingerprint is not None and (found.fingerprint == fingerprint) == (operator == "=")

    return f"fingerprint{operator}{fingerprint}", test


def redrives(n: int) -> Asked:
    return f"redrives>={n}", lambda about, found: found.redrives >= n


CAUSES = [fingerprints.of(REJECTED, "Late"), fingerprints.of(REJECTED, "x")]
ABOUT_MESSAGES: list[st.SearchStrategy[Asked]] = [
    *ABOUT_BOTH,
    st.tuples(st.lists(st.sampled_from(list(State)), min_size=1, max_size=2), st.booleans()).map(states_condition),
    st.integers(0, 2).map(attempts),
    st.sampled_from(["late", "429", "x"]).map(error_condition),
    st.tuples(st.sampled_from(["=", "!="]), st.sampled_from(CAUSES)).map(cause),
    st.integers(0, 1).map(redrives),
]


def queries(conditions: list[st.SearchStrategy[Asked]]) -> st.SearchStrategy[list[tuple[Asked, bool]]]:
    return st.lists(st.tuples(st.one_of(conditions), st.booleans()), max_size=3)


def asked_for(query: list[tuple[Asked, bool]]) -> str:
    return " ".join(("-" if negated else "") + text for (text, _), negated in query)


def expected(query: list[tuple[Asked, bool]], found: Any) -> bool:
    about = shown(found)
    return all(test(about, found) != negated for (_, test), negated in query)


def happen(bench: Bench, fates: list[str]) -> None:
    """Messages are leased, fail, die, are put back and redacted."""
    for fate in fates:
        for message in bench.lease(2):
            match fate:
                case "nack":
                    bench.settle("nack", [message], error="late 429")
                case "dead":
                    bench.settle("dead", [message], error="Late")
                case "redact":
                    perform(redaction.redact, bench.name, message.id, by="ada")
                case "back":
                    bench.settle("dead", [message], error="x")
                    bench.do(control.requeue, message.id)


FATES = st.lists(st.sampled_from(["lease", "nack", "dead", "redact", "back"]), max_size=4)


def test_messages_are_found_as_by_looking_at_each() -> None:
    @examples(150)
    @given(st.lists(MESSAGES, max_size=12), FATES, queries(ABOUT_MESSAGES), st.integers(1, 5), st.booleans())
    def check(messages: list[dict[str, Any]], fates: list[str], query: list[tuple[Asked, bool]], limit: int, keyed: bool) -> None:
        bench = Bench(f"q{next(numbers)}", keyed=keyed)
        perform(queues.publish, bench.name, [NewMessage(**fields) for fields in messages])
        happen(bench, fates)
        stored = Message.objects.filter(queue_id=bench.row.pk).order_by("-pk")
        wanted = [f"queue:{bench.name}/{message.pk}" for message in stored if expected(query, message)]
        assert places(all_of(asked_for(query), [f"queue:{bench.name}"], limit)) == wanted


def test_records_are_found_as_by_looking_at_each() -> None:
    @examples(150)
    @given(st.lists(MESSAGES, max_size=12), queries(ABOUT_BOTH), st.integers(1, 5))
    def check(records: list[dict[str, Any]], query: list[tuple[Asked, bool]], limit: int) -> None:
        name = f"s{next(numbers)}"
        perform(streams_control.declare, name, {"partitions": 2})
        if records:
            perform(streams.append, name, [NewRecord(**fields) for fields in records])
        everything = all_of("", [f"stream:{name}"])
        assert len(everything) == len(records)
        wanted = [f"stream:{name}/{place_of(hit.found)}" for hit in everything if expected(query, hit.found)]
        assert places(all_of(asked_for(query), [f"stream:{name}"], limit)) == wanted


def test_what_is_there_throughout_is_found_once_while_others_come_and_go() -> None:
    @examples(40)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        one, two = Bench(f"q{next(numbers)}"), Bench(f"q{next(numbers)}")
        ids: list[int] = []
        for bench in (one, two, one):
            ids += bench.publish(*[f'"late {n}"' for n in range(data.draw(st.integers(0, 8)))], key="k")
        gone: set[int] = set()

        acts: dict[str, Callable[[Bench, Bench], Any]] = {
            "publish": lambda bench, other: bench.publish('"late"', '"other"'),
            "ack": lambda bench, other: bench.settle("ack", bench.lease(1)),
            "dead": lambda bench, other: bench.settle("dead", bench.lease(1)),
            "purge": lambda bench, other: bench.do(bulk.purge, filters.MessageFilter(states=frozenset({State.DEAD}))),
            "move": lambda bench, other: bench.do(bulk.redrive, filters.ALL, to=other.name, limit=1),
        }

        def between() -> None:
            before = set(Message.objects.values_list("pk", flat=True))
            for bench, other in ((one, two), (two, one)):
                acts[data.draw(st.sampled_from(sorted(acts)))](bench, other)
            gone.update(before - set(Message.objects.values_list("pk", flat=True)))

        asked = data.draw(st.sampled_from(["late", "key:k"]))
        hits = all_of(asked, [f"queue:{one.name}", f"queue:{two.name}"], 3, between=between)
        found = [hit.found.pk for hit in hits if isinstance(hit.found, Message)]
        assert len(found) == len(set(found))
        assert set(ids) - gone <= set(found)


# What is shown, and to whom


def test_what_may_not_be_browsed_is_neither_found_nor_counted(time: Time):
    for name in ("mine.a", "mine.b", "theirs"):
        Bench(name).publish(1, 2)
        perform(streams_control.declare, name, {})
        perform(streams.append, name, [NewRecord(b"3")])
    reader = Principal("reader", "token:7", permits=[Permit(None, "mine.*", frozenset({"browse"}))])
    for asked, wanted in (
        ((), ["queue:mine.b", "queue:mine.b", "queue:mine.a", "queue:mine.a", "stream:mine.a", "stream:mine.b"]),
        (["queue:*"], ["queue:mine.b", "queue:mine.b", "queue:mine.a", "queue:mine.a"]),
        (["queue:theirs", "stream:mine.?"], ["stream:mine.a", "stream:mine.b"]),
        (["queue:theirs"], []),
        (["queue:nobody"], []),
    ):
        found = once("", asked, who=reader)
        assert [hit.destination for hit in found.items] == wanted
        assert (found.scanned, found.of, found.complete) == (len(wanted), len(wanted), True)
    for verb in ("publish", "consume", "manage", "monitor"):
        other = Principal("other", "token:8", permits=[Permit(None, "*", frozenset({verb}))])
        assert once("", who=other).of == 0


def test_an_id_or_dedup_id_of_somebody_elses_is_not_found():
    ids = Bench("theirs").publish(1, dedup_id="d")
    reader = Principal("reader", "token:7", permits=[Permit(None, "mine", frozenset({"browse"}))])
    for q in (f"id:{ids[0]}", "dedup:d"):
        assert places(once(q).items) == [f"queue:theirs/{ids[0]}"]
        assert once(q, who=reader) == (([], 0, 0, True, None, None))


def test_a_shared_groups_own_queue_and_deleted_ones_are_not_searched():
    Bench("gone").publish(1)
    perform(control.delete, "gone")
    assert once("").of == 0


# Where it stops


def test_it_stops_at_its_bytes_and_goes_on_from_there():
    bench = Bench(max_body_bytes=2_000_000)
    ids = bench.publish('"%s"' % ("x" * 300_000), '"%s"' % ("x" * 600_000), '"x"', '"x"')
    first = once("x")
    assert [first.stopped, len(first.items)] == ["bytes", 2]
    assert places(all_of("x")) == [f"queue:orders/{id}" for id in reversed(ids)]


def test_a_cursor_is_of_its_query_and_its_place():
    Bench().publish(*range(5))
    after = once("", limit=2).next
    assert after is not None
    assert len(once("", limit=2, after=after).items) == 2
    for q, in_, cursor in (("x", (), after), ("", ("queue:o*",), after), ("", (), "nonsense"), ("", (), "AAAA")):
        with pytest.raises(Invalid) as refused:
            once(q, in_, after=cursor)
        assert refused.value.extra["errors"][0]["pointer"] == "/after"


@pytest.mark.parametrize("asked", ["orders", "topic:orders", "queue:", "queue:a b", "queue:(x)"])
def test_a_pattern_is_as_grants_have_it(asked: str):
    with pytest.raises(Invalid) as refused:
        once("", [asked])
    assert refused.value.extra["errors"][0]["pointer"] == "/in"


def test_many_rows_are_looked_at_in_ranges(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scan, "FIRST_WIDTH", 3)
    monkeypatch.setattr(scan, "WIDEST", 7)
    monkeypatch.setattr(scan, "COMPARED", 2)
    bench, other = Bench(), Bench("other")
    ids = [id for n in range(30) for id in (bench if n % 3 else other).publish(f'"word {n % 5}"')]
    wanted = [id for n, id in enumerate(ids) if n % 5 == 2]
    for limit in (1, 2, 4, 1000):
        assert [hit.found.pk for hit in all_of('"WORD 2"', limit=limit)] == wanted[::-1]  # type: ignore[union-attr]  # messages alone are looked for
    for q in ("state:ready word", "-state:dead word", "word"):
        assert len(all_of(q, ["queue:other"], 3)) == 10


def test_dedup_ids_name_what_is_remembered():
    ids = Bench().publish(1, dedup_id="d") + Bench("other").publish(2, 3)
    perform(streams_control.declare, "log", {})
    perform(streams.append, "log", [NewRecord(b"1", dedup_id="d"), NewRecord(b"2")])
    assert places(once("dedup:d").items) == [f"queue:orders/{ids[0]}", "stream:log/0-0"]
    assert places(once("-dedup:d").items) == [f"queue:other/{ids[2]}", f"queue:other/{ids[1]}", "stream:log/0-1"]
    assert places(once("dedup:d $=2").items) == []


def test_damage_holds_nothing():
    [one, two] = Bench().publish('"late"', '"late"')
    with connection.cursor() as cursor:
        cursor.execute("UPDATE brokerweb_queues_content SET body = %s WHERE message_id = %s", [b'"late!"', one])
    assert places(all_of("late")) == [f"queue:orders/{two}"]
    assert places(all_of("-late")) == [f"queue:orders/{one}"]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM brokerweb_queues_content WHERE message_id = %s", [two])
    assert places(all_of("-late state:ready published<1h")) == [f"queue:orders/{one}"]
    assert len(all_of("-late state:ready")) == 2


def test_ages_are_counted_from_the_first_call(time: Time):
    bench = Bench()
    bench.publish(1, 2, 3)
    first = once("published<1h", limit=1)
    time.advance(3601)
    assert once("published<1h").items == []
    assert len(once("published<1h", after=first.next).items) == 2


# Messages that have ended, and are kept


def test_kept_messages_are_found_as_settled():
    bench, other = Bench(keep_settled=3600), Bench("other")
    ids = bench.publish('"late 1"', '"late 2"', '"late 3"', key="k", dedup_id=None)
    bench.settle("ack", bench.lease(1))
    bench.settle("dead", bench.lease(1), error="late 429")
    bench.do(bulk.redrive, filters.ALL, to=other.name)

    def found(q: str, *where: str) -> list[str]:
        return [f"{hit.name} {shown_as(hit.found)}" for hit in all_of(q, where, 1)]

    kept, moved, live = f"orders {ids[0]} settled", f"orders {ids[1]} settled", f"other {ids[1]} ready"
    assert found("late") == [moved, f"orders {ids[2]} ready", live, kept]
    assert found("state:settled") == [moved, kept]
    assert found("-state:settled late") == [f"orders {ids[2]} ready", live]
    assert found("state:settled,ready late key:k", "queue:orders") == [moved, f"orders {ids[2]} ready", kept]
    assert found(f"id:{ids[1]}") == [moved, live]
    assert found("error~429") == [moved]
    assert found("reason:rejected") == [moved]
    bench.do(redaction.redact, ids[0], by="ada")
    assert found("late state:settled") == [moved]


def shown_as(found: Any) -> str:
    return f"{found.message_id} settled" if isinstance(found, SettledMessage) else f"{found.pk} {State(found.state).name.lower()}"


def test_what_ends_meanwhile_and_is_kept_is_found_once() -> None:
    @examples(40)
    @given(st.lists(MESSAGES, min_size=1, max_size=12), FATES, queries(ABOUT_BOTH), st.integers(1, 5), st.integers(0, 2))
    def check(
        messages: list[dict[str, Any]], fates: list[str], query: list[tuple[Asked, bool]], limit: int, settled: int
    ) -> None:
        bench = Bench(f"q{next(numbers)}", keep_settled=3600)
        perform(queues.publish, bench.name, [NewMessage(**fields) for fields in messages])
        happen(bench, fates)
        wanted = {message.pk for message in Message.objects.filter(queue_id=bench.row.pk) if expected(query, message)}

        def between() -> None:
            bench.settle("ack", bench.lease(settled) if settled else [])

        hits = all_of(asked_for(query), [f"queue:{bench.name}"], limit, between=between)
        found = [getattr(hit.found, "message_id", hit.found.pk) for hit in hits]  # type: ignore[union-attr]  # messages alone are looked for
        assert len(found) == len(set(found))
        assert set(found) == wanted


def test_a_declared_field_does_not_hide_what_is_kept():
    bench = Bench(search=["$.a"], keep_settled=3600)
    ids = bench.publish('{"a":1}', '{"a":1}', '{"a":2}')
    bench.settle("ack", bench.lease(1))
    assert [shown_as(hit.found) for hit in all_of("$.a=1", limit=1)] == [f"{ids[1]} ready", f"{ids[0]} settled"]
