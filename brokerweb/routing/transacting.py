"""Transact: settle, commit positions and publish, all in one commit or not at all.

What a consumer did with its messages, and that it did it, become durable together: processed effectively once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from brokerweb.core.clock import seconds
from brokerweb.core.errors import BrokerError, Conflict, Invalid, LeaseLost, all_errors, escape_pointer
from brokerweb.core.names import check_name, parse_destination
from brokerweb.queues import duties as leases
from brokerweb.queues import engine as queues
from brokerweb.queues.definitions import find_in_order
from brokerweb.queues.messages import Settle, parse_receipt
from brokerweb.routing import pointers, publishing
from brokerweb.routing.definitions import Q
from brokerweb.routing.messages import Publish, TopicMessage, Transacted, TransactRequest
from brokerweb.storage.locks import Lock, number_of
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import engine as streams
from brokerweb.streams import positions

KEPT = 86_400  # seconds for which a dedup_id's answer is kept
MAX_RECEIPTS = MAX_MESSAGES = 1_000  # in all parts together
MAX_COMMITS = 100
_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder(order="deterministic").encode
_ERRORS = {error.code: error for error in all_errors()}


def transact(tx: Transaction, request: TransactRequest, *, owner: str, publisher: str | None = None) -> Transacted:
    """Carry out every part, or raise the error of the first that fails, with ``pointer`` to it; nothing has happened then.

    A receipt that cannot be settled fails it all. A ``dedup_id`` its ``owner`` used in the last 24 hours gets the first
    answer again; with other contents it is a Conflict. Permissions are the caller's affair: ``request.uses()`` says which.
    """
    if request.dedup_id is not None:
        digest = _digest(request)
        tx.alone(Lock.ONCE, number_of(owner, request.dedup_id))  # who carries it out at the same moment is waited for
        known = tx.row(Q.transacted, owner, request.dedup_id, tx.now)
        if known is not None:
            first, was = known
            if was != digest:
                raise Conflict(f"The dedup_id {request.dedup_id} was used for other contents.", pointer="/dedup_id")
            tx.vouch()
            return Transacted(True, msgspec.Raw(first.encode()))
    _check_size(request)
    _check(tx, request)
    for queue, settles in request.settle.items():
        _settle(tx, queue, settles)
    for place, part in enumerate(request.commit):
        with _part(f"/commit/{place}"):
            positions.commit(tx, part.stream, part.group, part.offsets, generation=part.generation)
    answer = _encode(_publish_all(tx, request.publish, publisher))
    if request.dedup_id is not None:
        tx.exactly(1, tx.change(Q.transact, owner, request.dedup_id, digest, answer.decode(), tx.now + seconds(KEPT), tx.now))
    return Transacted(False, msgspec.Raw(answer))


def _digest(request: TransactRequest) -> str:
    """Of what is asked, however it was written: the order of names and what is left to its default make no difference."""
    commit = [(part.stream, part.group, sorted(part.offsets.items()), part.generation) for part in request.commit]
    publish = [(part.to, [_in_order(message) for message in part.messages]) for part in request.publish]
    return hashlib.sha256(_pack((request.settle, commit, publish))).hexdigest()


def _in_order(message: TopicMessage) -> TopicMessage:
    """The message with its headers sorted."""
    new = message.message
    if new.headers is None:
        return message
    headers = msgspec.json.encode(msgspec.json.decode(new.headers), order="sorted").decode()
    return msgspec.structs.replace(message, message=msgspec.structs.replace(new, headers=headers))


@contextmanager
def _part(pointer: str) -> Iterator[None]:
    """Errors raised inside are errors of that part."""
    try:
        yield
    except BrokerError as error:
        raise pointers.for_part(error, pointer) from error


def _check_size(request: TransactRequest) -> None:
    sizes = {
        "/settle": ("receipts", sum(map(len, request.settle.values())), MAX_RECEIPTS),
        "/commit": ("commits", len(request.commit), MAX_COMMITS),
        "/publish": ("messages", sum(len(part.messages) for part in request.publish), MAX_MESSAGES),
    }
    for pointer, (what, n, most) in sizes.items():
        if n > most:
            raise Invalid.at(pointer, f"at most {most} {what} in all")


def _check(tx: Transaction, request: TransactRequest) -> None:
    """Refuse what can be known to fail before anything is written: a verb that fails later costs the committer's batch.

    Leases that ended and queues that are full are everyday things; the rest is left to the parts themselves.
    """
    named = (part.to.removeprefix("queue:") for part in request.publish if part.to.startswith("queue:"))
    find_in_order(tx, *request.settle, *named)
    for queue, settles in request.settle.items():
        with _part(f"/settle/{escape_pointer(queue)}"):
            check_name(queue, "")
            _check_receipts(tx, queue, settles)
    for place, publish in enumerate(request.publish):
        kind, name = parse_destination(publish.to, f"/publish/{place}/to")
        messages = [m.message for m in publish.messages]
        # What is acknowledged makes room, and what was published before needs none: those are found out when it is done.
        if kind == "queue" and name not in request.settle and all(m.dedup_id is None for m in messages):
            with _part(f"/publish/{place}"):
                queues.check(tx, name, messages)


def _check_receipts(tx: Transaction, queue: str, settles: Sequence[Settle]) -> None:
    queue_id = queues.find(tx, queue).id
    ended = set(leases.ended_of(tx, [settle.receipt for settle in settles]))
    for place, settle in enumerate(settles):
        receipt = parse_receipt(settle.receipt)
        if receipt is None or receipt.queue_id != queue_id or settle.receipt in ended:
            raise _refusal(queue, settles, place, LeaseLost.code)


def _settle(tx: Transaction, queue: str, settles: Sequence[Settle]) -> None:
    for place, answer in enumerate(queues.settle(tx, settles, queue=queue)):
        if answer.status != "ok":  # such as a receipt named twice
            raise _refusal(queue, settles, place, answer.status)


def _refusal(queue: str, settles: Sequence[Settle], place: int, code: str) -> BrokerError:
    """The error of one settlement; the pointer counts those of its kind."""
    settle = settles[place]
    nth = sum(other.kind == settle.kind for other in settles[:place])
    return _ERRORS[code](pointer=f"/settle/{queue}/{settle.kind}/{nth}", receipt=settle.receipt)


def _publish_all(tx: Transaction, parts: Sequence[Publish], publisher: str | None) -> list[dict[str, Any]]:
    answers, copies, size = [], 0, 0
    for place, part in enumerate(parts):
        with _part(f"/publish/{place}"):
            results = _publish(tx, part, publisher)
            if part.to.startswith("topic:"):
                more = publishing.volume(part.messages, {i: result.routed for i, result in enumerate(results)})
                copies, size = copies + more[0], size + more[1]
                publishing.check_volume(copies, size)
        answers.append({"to": part.to, "results": results})
    return answers


def _publish(tx: Transaction, part: Publish, publisher: str | None) -> list[Any]:
    kind, name = parse_destination(part.to)
    if kind == "topic":
        return list(publishing.publish(tx, name, part.messages, publisher=publisher))
    if kind == "stream":
        records = [message.for_stream() for message in part.messages]
        appended = streams.append(tx, name, records, publisher=publisher)
        return [{"partition": a.partition, "offset": str(a.offset), "duplicate": a.duplicate} for a in appended]
    accepted = queues.publish(tx, name, [message.message for message in part.messages], publisher=publisher)
    return [{"id": str(a.id), "duplicate": a.duplicate} for a in accepted]
