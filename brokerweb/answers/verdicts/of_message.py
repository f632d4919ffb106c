"""Why a message is where it is."""

from __future__ import annotations

from typing import Any

from brokerweb.answers.verdicts import words
from brokerweb.answers.verdicts.of_queue import alone_since, consumers_fact, crowd, gone, last, silence
from brokerweb.answers.verdicts.standing import AHEAD, MessageStanding, QueueStanding
from brokerweb.answers.verdicts.verdict import Verdict, instant

ORDER = ("paused", "no_consumer", "consumers_full", "alone", "waiting")
CODES = (
    "paused", "no_consumer", "consumers_full", "alone", "waiting", "next", "not_due", "backing_off", "key_blocked", "leased",
    "expiring", "dead", "settled",
)  # fmt: skip


def verdict(queue: QueueStanding, message: MessageStanding) -> Verdict:
    """Why the message waits, or what became of it."""
    if message.state == "dead":
        return _dead(queue, message)
    if message.expires_at is not None and message.expires_at <= queue.now:
        return _expiring(queue, message)
    if message.state == "ready":
        return _ready(queue, message)
    if message.state == "leased":
        return _leased(queue, message)
    if message.state == "blocked":
        return _key_blocked(queue, message)
    return _backing_off(queue, message) if message.failures and not message.stated else _not_due(queue, message)


# Ready


def holding(queue: QueueStanding, message: MessageStanding) -> list[str]:
    """Why a ready message is with nobody: every code that holds, the first of which is said."""
    holds = {
        "paused": queue.paused is not None,
        "no_consumer": not queue.attended,
        "consumers_full": queue.full,
        "alone": message.alone,
        "waiting": bool(message.ahead),
    }
    return [code for code in ORDER if holds[code]] or ["next"]


def _ready(queue: QueueStanding, message: MessageStanding) -> Verdict:
    codes = holding(queue, message)
    answers = {
        "paused": _paused,
        "no_consumer": _no_consumer,
        "consumers_full": _consumers_full,
        "alone": _alone,
        "waiting": _waiting,
        "next": _next,
    }
    said = answers[codes[0]](queue, message)
    return Verdict(said.code, said.text, said.since, {**said.facts, "ahead": ahead(message)}).also(codes)


def ahead(message: MessageStanding) -> int | str:
    """How many are before it, as facts say it."""
    n = message.ahead or 0
    return n if n <= AHEAD else "more"


def _before(message: MessageStanding) -> str:
    """How many are before it, in words."""
    n = message.ahead or 0
    return words.number(n, "message") if n <= AHEAD else f"more than {words.number(AHEAD, 'message')}"


def _paused(queue: QueueStanding, message: MessageStanding) -> Verdict:
    paused = queue.paused
    assert paused is not None  # noqa: S101 (it holds)
    text = (
        f"{paused.by or 'Somebody'} paused {queue.name} {words.ago(queue.age(paused.at))}{words.quoted(paused.reason)}. "
        "The message waits until it is resumed."
    )
    facts = {"by": paused.by, "reason": paused.reason, "paused_at": instant(paused.at)}
    return Verdict("paused", text, max(paused.at, message.due_at), facts)


def _no_consumer(queue: QueueStanding, message: MessageStanding) -> Verdict:
    text = f"Nobody consumes {queue.name}. {gone(queue)}"
    return Verdict("no_consumer", text, alone_since(queue, message.due_at), last(queue))


def _consumers_full(queue: QueueStanding, message: MessageStanding) -> Verdict:
    clause = crowd(queue.consumers)
    silent = queue.silent
    since = f"; nothing was settled for {words.span(silent)}" if silent is not None and silent >= 1 else ""
    text = f"Every consumer of {queue.name} has as many messages as it may hold: {clause}{since}."
    return Verdict("consumers_full", text, max(message.due_at, queue.silent_since or 0), silence(queue))


def _alone(queue: QueueStanding, message: MessageStanding) -> Verdict:
    holders = sum(consumer.unsettled > 0 for consumer in queue.consumers)
    text = (
        "Its last consumer was lost with it, so it goes out by itself, to a consumer that holds nothing else; "
        f"{holders} of {words.number(len(queue.consumers), 'consumer')} hold{'s' if holders == 1 else ''} something."
    )
    facts = {"holders": holders, "free": len(queue.consumers) - holders, "consumers": consumers_fact(queue)}
    return Verdict("alone", text, message.due_at, facts)


def _waiting(queue: QueueStanding, message: MessageStanding) -> Verdict:
    n, going = message.ahead or 0, queue.out
    exact = n <= AHEAD
    eta = (n + 1) / going if going > 0 and exact else None
    turn = f"; at {words.rate(going)} its turn comes in {words.span(eta)}" if eta is not None else ""
    facts = {"rate": round(going, 2) or None, "eta": None if eta is None else round(eta, 1)}
    verb = "is" if n == 1 else "are"
    return Verdict("waiting", f"{_before(message)} {verb} before it{turn}.", message.due_at, facts)


def _next(queue: QueueStanding, message: MessageStanding) -> Verdict:
    return Verdict("next", "Nothing is before it: it goes to the next consumer that asks.", message.due_at)


# For later, and behind others


def _not_due(queue: QueueStanding, message: MessageStanding) -> Verdict:
    left = (message.due_at - queue.now) / 1_000_000
    when = f"in {words.span(left)}" if left > 0 else "now"
    text = f"It was published for later, and is due {when}." if not message.attempts else f"It was put off, and is due {when}."
    return Verdict("not_due", text, message.published_at, {"due_at": instant(message.due_at)})


def _backing_off(queue: QueueStanding, message: MessageStanding) -> Verdict:
    left = (message.due_at - queue.now) / 1_000_000
    often = words.times(message.failures, queue.max_failures)
    when = f"in {words.span(left)}" if left > 0 else "now"
    error = words.quoted(words.last_line(message.last_error))
    last = f"{_with_whom(message)}," if message.client else ""
    text = f"It failed {often}{last} and is tried again {when}{error}."
    facts = {
        "client": message.client,
        "due_at": instant(message.due_at),
        "failures": message.failures,
        "max_failures": queue.max_failures,
        "last_error": message.last_error,
    }
    return Verdict("backing_off", text, None, facts)


def _with_whom(message: MessageStanding) -> str:
    """Who had it last, where that is known."""
    return f", last with {message.client}" if message.client else ""


def _key_blocked(queue: QueueStanding, message: MessageStanding) -> Verdict:
    head, n = message.head, message.ahead or 0
    facts: dict[str, Any] = {"key": message.key, "head": None, "ahead": n if n <= AHEAD else "more"}
    if head is None:
        return Verdict("key_blocked", f"It waits for its turn among the messages of key {message.key}.", message.due_at, facts)
    facts["head"] = {"id": str(head.id), "state": head.state, "verdict": head.code}
    between = f", behind {_before(message)}" if n > 1 else ""
    text = f"Message {head.id} of its key {message.key} goes first{between}; that one is {_STATES.get(head.code, head.state)}."
    return Verdict("key_blocked", text, message.due_at, facts)


_STATES = {
    "paused": "in a paused queue",
    "no_consumer": "without a consumer",
    "consumers_full": "waiting for a consumer with room",
    "alone": "waiting for a consumer that holds nothing",
    "waiting": "waiting for its turn",
    "next": "next",
    "not_due": "not due yet",
    "backing_off": "waiting to be tried again after a failure",
    "leased": "with a consumer",
    "expiring": "past its time",
}


# In flight, and after the end


def _leased(queue: QueueStanding, message: MessageStanding) -> Verdict:
    who, left = message.client or "a consumer", (message.due_at - queue.now) / 1_000_000
    since = f" for {words.span(queue.age(message.leased_at))}" if message.leased_at is not None else ""
    more = f", extended {words.number(message.extended, 'time')}" if message.extended else ""
    rest = f"{words.span(left)} of its lease are left{more}" if left > 0 else "its lease is over, and it comes back"
    most = f" of at most {queue.max_failures} that may fail" if queue.max_failures is not None else ""
    nth = f" This is try {message.attempts}{most}." if message.attempts > 1 else ""
    text = f"{who} has it{since}; {rest}.{nth}"
    return Verdict("leased", text, message.leased_at, _lease_facts(queue, message))


def _lease_facts(queue: QueueStanding, message: MessageStanding) -> dict[str, Any]:
    return {
        "client": message.client,
        "connection": message.connection,
        "token": message.by,
        "leased_at": instant(message.leased_at),
        "lease_until_at": instant(message.due_at),
        "extended": message.extended,
        "attempts": message.attempts,
        "max_failures": queue.max_failures,
    }


def _expiring(queue: QueueStanding, message: MessageStanding) -> Verdict:
    at = message.expires_at or queue.now
    facts = {"expires_at": instant(at)}
    if message.state != "leased":
        text = f"Its time ran out {words.ago(queue.age(at))}: nobody gets it any more."
        return Verdict("expiring", text, at, facts)
    text = (
        f"Its time ran out {words.ago(queue.age(at))} while {message.client or 'a consumer'} has it: "
        "it may still be acknowledged, and is gone if it comes back."
    )
    return Verdict("expiring", text, at, {**facts, **_lease_facts(queue, message)}).also(["leased"])


_REASONS = {
    "max_failures": "It failed as often as it may",
    "rejected": "Its consumer said that no try would help",
    "expired": "Its time ran out before anybody was done with it",
    "overflow": "It had to make room for newer messages",
    "damaged": "What is stored is not what was published: its checksum does not match",
}


def _dead(queue: QueueStanding, message: MessageStanding) -> Verdict:
    times = f", {words.number(message.failures, 'time')}{_with_whom(message)}" if message.reason == "max_failures" else ""
    error = words.quoted(words.last_line(message.last_error)) if message.reason != "damaged" else ""
    again = f" It had been put back {words.number(message.redrives, 'time')} before." if message.redrives else ""
    others = (message.similar or 1) - 1
    alike = f" {words.number(others, 'other')} died of the same here." if others > 0 else ""
    text = f"{_REASONS.get(message.reason or '', 'It is dead')}{times}{error}.{again}{alike}"
    facts = {
        "client": message.client,
        "reason": message.reason,
        "last_error": message.last_error,
        "dead_at": instant(message.due_at),
        "failures": message.failures,
        "redrives": message.redrives,
        "fingerprint": message.fingerprint,
        "similar": message.similar,
    }
    return Verdict("dead", text, message.due_at, facts)


_OUTCOMES = {
    "acked": "It was acknowledged",
    "expired": "Its time ran out, and it was dropped",
    "deleted": "It was deleted",
    "purged": "It was purged",
    "moved": "It was moved elsewhere",
    "edited": "It was replaced with an edited copy",
}


def settled(outcome: str, *, at: int, by: str | None = None, seconds: float | None = None) -> Verdict:
    """What became of a message that is kept after its end; ``seconds`` are from publish to there."""
    after = f", {words.span(seconds)} after it was published" if seconds is not None else ""
    who = f" by {by}" if by else ""
    text = f"{_OUTCOMES.get(outcome, 'It has ended')}{who}{after}."
    facts = {"outcome": outcome, "by": by, "at": instant(at), "seconds": None if seconds is None else round(seconds, 3)}
    return Verdict("settled", text, at, facts)
