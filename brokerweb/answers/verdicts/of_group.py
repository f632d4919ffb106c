"""Why a consumer group does, or does not, go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brokerweb.answers.verdicts import words
from brokerweb.answers.verdicts.of_queue import SHORT, crowd, silence
from brokerweb.answers.verdicts.standing import Attending, GroupStanding, Member, Share
from brokerweb.answers.verdicts.verdict import Verdict, instant
from brokerweb.queues.activity import SWELL

Answer = Callable[[GroupStanding], Verdict]


def verdict(group: GroupStanding) -> Verdict:
    """How the group stands: the first code that holds, the others in ``also``."""
    codes = holding(group)
    return _ANSWERS[codes[0]](group).also(codes)


def holding(group: GroupStanding) -> list[str]:
    """The codes that hold, the most telling first: what is lost comes before what waits."""
    left = group.lag > 0
    stops = {
        "trimmed": group.lost > 0,
        "no_members": left and not group.attended,
        "unowned": left and not group.shared and bool(group.members) and _unowned(group) is not None,
        "silent": silent_since(group) is not None,
        "failing": group.failing is not None,
    }
    codes = [code for code, holds in stops.items() if holds]
    return codes if {"no_members", "silent"} & set(codes) else [*codes, _movement(group)]


def _movement(group: GroupStanding) -> str:
    waiting = group.lag
    if waiting > max(1.0, group.read * SHORT):
        return "falling_behind" if group.appended > group.read * SWELL else "catching_up"
    return "flowing" if waiting or group.read else "idle"


def _unowned(group: GroupStanding) -> Share | None:
    return next((share for share in group.shares if share.member is None and share.lag), None)


def attending(group: GroupStanding) -> list[Attending]:
    """How each member of a partitioned group gets on."""
    shares = {share.member: share for share in group.shares}
    return [_attending(group, member, shares.get(member.id)) for member in group.members]


def _attending(group: GroupStanding, member: Member, share: Share | None) -> Attending:
    if share is None or not share.lag:
        return Attending(member, share, None)
    since = max(member.joined_at, share.committed_at or 0, share.oldest_at or 0)
    return Attending(member, share, since, group.age(since) > group.patience)


def _silent_member(group: GroupStanding) -> tuple[Member, Share, int] | None:
    """The member that has had records for longest without a commit, for longer than is allowed; and since when."""
    found = [(a.member, a.share, a.since) for a in attending(group) if a.silent and a.share is not None and a.since is not None]
    return min(found, key=lambda each: each[2], default=None)


def silent_since(group: GroupStanding) -> int | None:
    """Since when a member, or everybody who takes records, has done nothing for too long."""
    if group.queue is not None:
        silent = group.queue.silent
        return group.queue.silent_since if group.queue.full and (silent or 0.0) > group.patience else None
    found = _silent_member(group)
    return None if found is None else found[2]


# The answers


def _records(n: int) -> str:
    return words.number(n, "record")


def _trimmed(group: GroupStanding) -> Verdict:
    text = (
        f"Retention of {group.stream} took {_records(group.lost)} before the group had read them: they are lost to it. "
        "It goes on behind them; a longer retention, or a faster group, keeps that from happening again."
    )
    return Verdict("trimmed", text, None, {"lost": group.lost, "lag": group.lag})


def _no_members(group: GroupStanding) -> Verdict:
    if group.queue is not None:
        at, who = group.queue.last_consumer_at, group.queue.last_consumer
        said = f"{who or 'Somebody'} was the last, {words.ago(group.age(at))}." if at is not None else "Nobody ever has."
        facts: dict[str, Any] = {"lag": group.lag, "last_consumer_at": instant(at), "last_consumer": who}
    else:
        at = group.committed_at
        said = f"The last commit was {words.ago(group.age(at))}." if at is not None else "Nothing was ever committed."
        facts = {"lag": group.lag, "last_commit_at": instant(at)}
    verb = "is" if group.lag == 1 else "are"
    text = f"Nobody reads in {group.name}, and {_records(group.lag)} {verb} left to read. {said}"
    return Verdict("no_members", text, max(at or 0, group.oldest_at or group.created_at), facts)


def _unowned_partition(group: GroupStanding) -> Verdict:
    share = _unowned(group)
    assert share is not None  # noqa: S101 (it holds)
    which = ", ".join(map(str, share.partitions[:5])) + (" and others" if len(share.partitions) > 5 else "")
    noun = "Partition" if len(share.partitions) == 1 else "Partitions"
    verb = "is" if len(share.partitions) == 1 else "are"
    waits = "waits" if share.lag == 1 else "wait"
    text = f"{noun} {which} {verb} with no member, though the group has some: {_records(share.lag)} {waits} there."
    return Verdict("unowned", text, share.oldest_at, {"partitions": list(share.partitions), "lag": share.lag})


def _silent(group: GroupStanding) -> Verdict:
    if group.queue is not None:
        text = (
            f"Nothing was settled for {words.span(group.queue.silent or 0)}: {crowd(group.queue.consumers)}. "
            "Look at what they do; closing a connection gives its records to others."
        )
        return Verdict("silent", text, group.queue.silent_since, {**silence(group.queue), "lag": group.lag})
    found = _silent_member(group)
    assert found is not None  # noqa: S101 (it holds)
    member, share, since = found
    where = "partition" if len(share.partitions) == 1 else "partitions"
    text = (
        f"{member.client} has {_records(share.lag)} in {where} {', '.join(map(str, share.partitions[:5]))} and has committed "
        f"nothing for {words.span(group.age(since))}. Look at what it does; closing its connection gives them to another member."
    )
    facts = {
        "member": member.id,
        "client": member.client,
        "connection": member.connection,
        "partitions": list(share.partitions),
        "last_commit_at": instant(share.committed_at),
        "lag": share.lag,
    }
    return Verdict("silent", text, since, facts)


def _failing(group: GroupStanding) -> Verdict:
    failing = group.failing
    assert failing is not None  # noqa: S101 (it holds)
    most = group.queue.max_failures if group.queue is not None else None
    place = f" {failing.offset} of partition {failing.partition}" if failing.partition is not None else ""
    text = (
        f"Record{place} has failed {words.times(failing.failures, most)} and is tried again"
        f"{words.quoted(words.last_line(failing.last_error))}."
    )
    facts = {
        "id": str(failing.id),
        "partition": failing.partition,
        "offset": None if failing.offset is None else str(failing.offset),
        "attempts": failing.attempts,
        "failures": failing.failures,
        "max_failures": most,
        "last_error": failing.last_error,
    }
    return Verdict("failing", text, failing.since, facts)


def _falling_behind(group: GroupStanding) -> Verdict:
    by = group.appended - group.read
    text = (
        f"{_records(group.lag)} are left to read, and they grow by {words.rate(by)}: {words.rate(group.appended)} come, "
        f"{words.rate(group.read)} are read. More members, or faster ones, would catch up."
    )
    return Verdict("falling_behind", text, group.behind_since, {"by": round(by, 2), **_rates(group)})


def _catching_up(group: GroupStanding) -> Verdict:
    gain = group.read - group.appended
    eta = group.lag / gain if gain > 0 else None
    until = f"at {words.rate(group.read)} it has read them in {words.span(eta)}" if eta is not None else "its members are slow"
    text = f"{_records(group.lag)} {'is' if group.lag == 1 else 'are'} left to read; {until}."
    return Verdict("catching_up", text, group.oldest_at, {"eta": None if eta is None else round(eta, 1), **_rates(group)})


def _flowing(group: GroupStanding) -> Verdict:
    return Verdict("flowing", f"It keeps up: {words.rate(group.read)} are read.", None, _rates(group))


def _idle(group: GroupStanding) -> Verdict:
    return Verdict("idle", "It has read everything there is.", None, {"lag": 0})


def _rates(group: GroupStanding) -> dict[str, Any]:
    return {"lag": group.lag, "appended": group.appended, "read": group.read}


_ANSWERS: Mapping[str, Answer] = {
    "trimmed": _trimmed,
    "no_members": _no_members,
    "unowned": _unowned_partition,
    "silent": _silent,
    "failing": _failing,
    "falling_behind": _falling_behind,
    "catching_up": _catching_up,
    "flowing": _flowing,
    "idle": _idle,
}
CODES = tuple(_ANSWERS)
