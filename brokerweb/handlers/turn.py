"""One transaction of a source: what has ended is settled, leases go on, and where there is room more is leased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from brokerweb.core.errors import BrokerError, Conflict, NotFound, Unavailable
from brokerweb.handlers.sources import Held, Source
from brokerweb.handlers.work import Failure, Settlement, settlement_of
from brokerweb.queues.limits import MAX_DELAY, cut
from brokerweb.queues.messages import Settle
from brokerweb.storage.run import refusal
from brokerweb.storage.transaction import Transaction


@dataclass(slots=True, eq=False)
class Finished:
    """A message that was worked on: what that returned or how it failed, or what else is to become of it."""

    message: Held
    result: Any = None
    failure: Failure | None = None
    settlement: Settlement | None = None  # decided already, so that its handler is not asked


class Extension(NamedTuple):
    """A lease that is to go on, for so many seconds."""

    receipt: str
    seconds: float


@dataclass(slots=True)
class Asked:
    """What a turn is to do. ``limit``: how many messages more there is room for."""

    finished: list[Finished] = field(default_factory=list)
    extend: list[Extension] = field(default_factory=list)
    limit: int = 0

    def __bool__(self) -> bool:
        return bool(self.finished or self.extend or self.limit)


@dataclass(slots=True)
class Answer:
    """What it did. ``lost`` are receipts whose lease was over; ``gone`` says why there is nothing to lease from."""

    lost: set[str]
    leased: Sequence[Held] = ()
    more: bool = False
    gone: str = ""


class HandlerFailed(Exception):
    """A handler's ``done`` or ``failed`` raised: nothing of the turn is kept."""

    def __init__(self, finished: Finished, error: Exception) -> None:
        super().__init__(str(error))
        self.finished, self.error = finished, error


class TooLate(Exception):
    """A message that failed is another's by now, and what its handler wrote of that is not kept: nothing of the turn is."""

    def __init__(self, finished: Finished) -> None:
        super().__init__()
        self.finished = finished


def take(tx: Transaction, source: Source, asked: Asked, holder: str) -> Answer:
    """Take the turn. Raises HandlerFailed, TooLate and BrokerError; then all of it is to be asked for once more."""
    lost = _settle(tx, source, asked)
    answer = Answer(lost)
    if asked.limit > 0:
        try:
            answer.leased, answer.more = source.lease(tx, asked.limit, holder)
        except (NotFound, Conflict) as error:  # before anything is written; what was settled is
            answer.gone = error.detail
    return answer


def _settle(tx: Transaction, source: Source, asked: Asked) -> set[str]:
    acked = [each for each in asked.finished if each.failure is None and each.settlement is None]
    others = [each for each in asked.finished if each.failure is not None or each.settlement is not None]
    settles = [Settle("ack", _receipt(each)) for each in acked]
    settles += [_settle_of(_decided(tx, source, each), _receipt(each)) for each in others]
    settles += [Settle("extend", each.receipt, lease=each.seconds) for each in asked.extend]
    lost = {settled.receipt for settled in source.settle(tx, settles) if settled.status != "ok"} if settles else set()
    for each in others:
        if each.failure is not None and each.settlement is None and _receipt(each) in lost:
            raise TooLate(each)
    for each in acked:
        if _receipt(each) not in lost:
            try:
                source.handler.done(tx, each.message, each.result)
            except Exception as error:
                raise _blamed(each, error) from error
    return lost


def _decided(tx: Transaction, source: Source, finished: Finished) -> Settlement:
    if finished.settlement is not None or finished.failure is None:
        return finished.settlement or Settlement("ack")
    try:
        return source.handler.failed(tx, finished.message, finished.failure)
    except Exception as error:
        raise _blamed(finished, error) from error


def _blamed(finished: Finished, error: Exception) -> Exception:
    """Whose fault it is: the handler's, or the store's, which may take it the next time."""
    known = error if isinstance(error, BrokerError) else refusal(error)
    return known if isinstance(known, Unavailable) else HandlerFailed(finished, error)


def _settle_of(decided: Settlement, receipt: str) -> Settle:
    delay = None if decided.delay is None else min(max(decided.delay, 0.0), MAX_DELAY)
    return Settle(decided.kind, receipt, delay, cut(decided.error))


def _receipt(finished: Finished) -> str:
    return finished.message.receipt or ""


def blame(failed: HandlerFailed) -> None:
    """Of a message whose handler failed to say so: what ``done`` raised is its failure, ``failed`` is asked no more."""
    finished = failed.finished
    if finished.failure is None:
        finished.failure = Failure.of(failed.error)
    else:
        finished.settlement = settlement_of(finished.failure)
