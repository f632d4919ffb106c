"""The JSON of settlements: what becomes of delivered messages, and the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.faces.codec.json import FreeText, Receipt, Strict
from brokerweb.queues.limits import Delay, Lease, cut
from brokerweb.queues.messages import Kind, Settle, Settled

MAX_RECEIPTS = 1000


class NackItem(Strict):
    """A failed message: ``delay`` replaces the queue's backoff, ``error`` says what went wrong."""

    receipt: Receipt
    delay: Delay | None = None
    error: FreeText | None = None


class DeadItem(Strict):
    """A message that must not be tried again."""

    receipt: Receipt
    reason: FreeText | None = None


class ExtendItem(Strict):
    """A lease to be counted anew from now; the queue's own lease when none is named."""

    receipt: Receipt
    lease: Lease | None = None


Receipts = Annotated[list[Receipt], Meta(max_length=MAX_RECEIPTS)]
NackItems = Annotated[list[NackItem], Meta(max_length=MAX_RECEIPTS)]
DeadItems = Annotated[list[DeadItem], Meta(max_length=MAX_RECEIPTS)]
ExtendItems = Annotated[list[ExtendItem], Meta(max_length=MAX_RECEIPTS)]


class SettleRequest(Strict):
    """Receipts and what became of their messages, at most 1000 together."""

    ack: Receipts = []
    nack: NackItems = []
    release: Receipts = []
    dead: DeadItems = []
    extend: ExtendItems = []


def settles(request: SettleRequest) -> list[Settle]:
    """A settle request's receipts in the order of the answer: ack, nack, release, dead, extend. Raises Invalid."""
    asked = [
        *settle_receipts("ack", request.ack),
        *settle_nacks(request.nack),
        *settle_receipts("release", request.release),
        *settle_deads(request.dead),
        *settle_extends(request.extend),
    ]
    if len(asked) > MAX_RECEIPTS:
        raise Invalid.at("", f"at most {MAX_RECEIPTS} receipts")
    return asked


def settle_receipts(kind: Kind, receipts: Sequence[str]) -> list[Settle]:
    """Settlements that need nothing but the receipt."""
    return [Settle(kind, receipt) for receipt in receipts]


def settle_nacks(items: Sequence[NackItem]) -> list[Settle]:
    return [Settle("nack", item.receipt, item.delay, cut(item.error)) for item in items]


def settle_deads(items: Sequence[DeadItem]) -> list[Settle]:
    return [Settle("dead", item.receipt, None, cut(item.reason)) for item in items]


def settle_extends(items: Sequence[ExtendItem]) -> list[Settle]:
    return [Settle("extend", item.receipt, None, None, item.lease) for item in items]


def settled(answers: Sequence[Settled]) -> bytes:
    """The answers to settlements as a JSON array; a receipt is the client's own text, so it is escaped."""
    items = []
    for answer in answers:
        item = {"receipt": answer.receipt, "status": answer.status}
        if answer.lease_until is not None:
            item["lease_until_at"] = clock.rfc3339(clock.to_wall(answer.lease_until))
        items.append(item)
    return msgspec.json.encode(items)
