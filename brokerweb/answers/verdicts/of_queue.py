"""Why a queue does, or does not, go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brokerweb.answers.verdicts import words
from brokerweb.answers.verdicts.standing import Consumer, QueueStanding
from brokerweb.answers.verdicts.verdict import Verdict, instant
from brokerweb.queues.activity import SWELL

SHORT = 10.0  # seconds of work that may wait in a queue that keeps up

Answer = Callable[[QueueStanding], Verdict]


def verdict(queue: QueueStanding) -> Verdict:
    """How the queue stands: the first code that holds, the others in ``also``."""
    codes = holding(queue)
    return _ANSWERS[codes[0]](queue).also(codes)


def holding(queue: QueueStanding) -> list[str]:
    """The codes that hold, the most telling first: what stops a queue is also why it is full."""
    codes = stops(queue)
    if codes and codes[0] in ("paused", "no_consumer", "stuck"):
        return codes
    moves = movement(queue.count("ready"), queue.rate("published"), queue)
    return codes if moves == "idle" and "key_stuck" in codes else [*codes, moves]


def stops(queue: QueueStanding) -> list[str]:
    """The codes that hold which say that something stands still."""
    codes = []
    if queue.paused is not None:
        codes.append("paused")
    if queue.count("ready") and not queue.attended:
        codes.append("no_consumer")
    if queue.consumers and queue.stuck:
        codes.append("stuck")
    if queue.max_length is not None and _refuses(queue):
        codes.append("full")
    if queue.head is not None:
        codes.append("key_stuck")
    return codes


def movement(waiting: int, coming: float, queue: QueueStanding) -> str:
    """Whether what waits becomes less or more."""
    going = queue.out
    if waiting > max(1.0, going * SHORT):
        return "falling_behind" if coming > going * SWELL else "catching_up"
    return "flowing" if waiting or queue.count("leased") or going else "idle"


def _refuses(queue: QueueStanding) -> bool:
    waiting = queue.count("ready", "scheduled", "blocked", "leased")
    return queue.max_length is not None and queue.refuses and waiting >= queue.max_length


def waits(queue: QueueStanding) -> int:
    """Messages that stand still where nothing is handed out."""
    return queue.count("ready", "blocked")


# The answers


def _paused(queue: QueueStanding) -> Verdict:
    paused = queue.paused
    assert paused is not None  # noqa: S101 (it holds)
    n = waits(queue)
    left = f"{words.number(n, 'message')} {'waits' if n == 1 else 'wait'} until it is resumed." if n else "Nothing waits in it."
    text = f"{paused.by or 'Somebody'} paused it {words.ago(queue.age(paused.at))}{words.quoted(paused.reason)}. {left}"
    facts = {"by": paused.by, "reason": paused.reason, "paused_at": instant(paused.at), "waiting": n}
    return Verdict("paused", text, paused.at, facts)


def gone(queue: QueueStanding) -> str:
    """Who consumed last, in a sentence."""
    if queue.last_consumer_at is None:
        return "Nobody ever has."
    return f"{queue.last_consumer or 'Somebody'} was the last, {words.ago(queue.age(queue.last_consumer_at))}."


def alone_since(queue: QueueStanding, at: int | None) -> int:
    """Since when what waits since ``at`` has had no consumer."""
    return max(queue.last_consumer_at or 0, at or queue.created_at)


def last(queue: QueueStanding) -> dict[str, Any]:
    return {"last_consumer_at": instant(queue.last_consumer_at), "last_consumer": queue.last_consumer}


def _no_consumer(queue: QueueStanding) -> Verdict:
    n = waits(queue)
    text = f"Nobody consumes {queue.name}, and {words.number(n, 'message')} {'waits' if n == 1 else 'wait'}. {gone(queue)}"
    return Verdict("no_consumer", text, alone_since(queue, queue.oldest_at), {**last(queue), "ready": queue.count("ready")})


def crowd(consumers: tuple[Consumer, ...]) -> str:
    """What consumers that are full hold, in a clause."""
    most = max(consumers, key=lambda consumer: consumer.unsettled)
    held = f"{most.client} holds {most.unsettled} of {most.prefetch}"
    if most.unsettled < (most.prefetch or 0):  # it reads slowly, or what it has is large, or goes alone
        held += " and may have no more at present"
    return held if len(consumers) == 1 else f"all {len(consumers)} consumers are full, and {held}"


def consumers_fact(queue: QueueStanding) -> list[dict[str, Any]]:
    """The subscriptions, as facts have them; no more of them than anybody reads."""
    shown = sorted((c for c in queue.consumers if c.prefetch is not None), key=lambda c: (-c.unsettled, c.client))[:50]
    return [
        {
            "connection": c.connection,
            "client": c.client,
            "prefetch": c.prefetch,
            "unsettled": c.unsettled,
            "last_settled_at": instant(c.settled_at),
        }
        for c in shown
    ]


def silence(queue: QueueStanding) -> dict[str, Any]:
    return {"consumers": consumers_fact(queue), "silent": None if queue.silent is None else round(queue.silent, 3)}


def _stuck(queue: QueueStanding) -> Verdict:
    clause = crowd(queue.consumers)
    behind = waits(queue)
    others = f", and {words.number(behind, 'message')} {'waits' if behind == 1 else 'wait'} behind them" if behind else ""
    text = (
        f"Nothing of {queue.name} was settled for {words.span(queue.silent or 0)}: {clause}{others}. "
        "Look at what it does there; closing a connection gives its messages to others."
    )
    return Verdict("stuck", text, queue.silent_since, {**silence(queue), "waiting": behind, "leased": queue.count("leased")})


def _key_stuck(queue: QueueStanding) -> Verdict:
    head = queue.head
    assert head is not None  # noqa: S101 (it holds)
    if head.state == "leased":
        what = f"is with {head.client or 'a consumer'} for {words.span(queue.age(head.since))}"
    else:
        what = f"has failed {words.number(head.failures, 'time')} and is tried again"
    text = (
        f"Message {head.id} of key {head.key} {what}; {words.number(head.held, 'message')} of that key "
        f"{'waits' if head.held == 1 else 'wait'} behind it."
    )
    facts = {
        "key": head.key,
        "head": {"id": str(head.id), "state": head.state, "failures": head.failures, "client": head.client},
        "held": head.held,
    }
    return Verdict("key_stuck", text, head.oldest_at or head.since, facts)


def _full(queue: QueueStanding) -> Verdict:
    n = queue.count("ready", "scheduled", "blocked", "leased")
    text = f"It holds {words.number(n, 'message')}, the most that max_length allows, and refuses what is published to it."
    return Verdict("full", text, queue.oldest_at, {"messages": n, "max_length": queue.max_length})


def _falling_behind(queue: QueueStanding) -> Verdict:
    coming, going, n = queue.rate("published"), queue.out, queue.count("ready")
    by = coming - going
    text = (
        f"{words.number(n, 'message')} {'waits' if n == 1 else 'wait'}, and they grow by {words.rate(by)}: "
        f"{words.rate(coming)} come, {words.rate(going)} go. More consumers, or faster ones, would catch up."
    )
    return Verdict("falling_behind", text, queue.behind_since, {"by": round(by, 2), **_rates(queue)})


def _catching_up(queue: QueueStanding) -> Verdict:
    n, coming, going = queue.count("ready"), queue.rate("published"), queue.out
    eta = n / (going - coming) if going > coming else None
    until = f"at {words.rate(going)} they are worked off in {words.span(eta)}" if eta is not None else "their consumers are slow"
    text = f"{words.number(n, 'message')} {'waits' if n == 1 else 'wait'}; {until}."
    return Verdict("catching_up", text, queue.oldest_at, {"eta": None if eta is None else round(eta, 1), **_rates(queue)})


def _flowing(queue: QueueStanding) -> Verdict:
    going, leased = queue.out, queue.count("leased")
    moves = [f"{words.rate(going)} go"] * bool(going) + [f"{words.number(leased, 'message')} in work"] * bool(leased)
    return Verdict("flowing", f"It keeps up: {', '.join(moves) or 'hardly anything waits'}.", None, _rates(queue))


def _idle(queue: QueueStanding) -> Verdict:
    later, dead = queue.count("scheduled"), queue.count("dead")
    others = [f"{later:,} for later"] * bool(later) + [words.number(dead, "dead letter")] * bool(dead)
    text = f"Nothing waits in it{' but ' + ' and '.join(others) if others else ''}."
    return Verdict("idle", text, queue.last_settled_at, {"scheduled": later, "dead": dead})


def _rates(queue: QueueStanding) -> dict[str, Any]:
    return {"ready": queue.count("ready"), "published": queue.rate("published"), "out": round(queue.out, 2)}


_ANSWERS: Mapping[str, Answer] = {
    "paused": _paused,
    "no_consumer": _no_consumer,
    "stuck": _stuck,
    "full": _full,
    "key_stuck": _key_stuck,
    "falling_behind": _falling_behind,
    "catching_up": _catching_up,
    "flowing": _flowing,
    "idle": _idle,
}
CODES = tuple(_ANSWERS)
