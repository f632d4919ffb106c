"""Which queue or stream a call to the committer is about: where there are several lanes, it goes to that one's.

A queue is known by its id, also to calls that name it, once a transaction of this process has looked it up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from brokerweb.handout import lease as leasing
from brokerweb.queues import definitions, engine
from brokerweb.queues.messages import Settle, parse_receipt
from brokerweb.storage.calls import Call
from brokerweb.streams import engine as streams
from brokerweb.streams import positions


def destination(call: Call) -> object:
    """A queue's id or name, or what stands for a stream; None for what has no place of its own."""
    find = _OF.get(call.verb)
    return None if find is None else find(call)


def _queue(call: Call) -> object:
    """The queue that the first argument names, by name or id."""
    queue = call.args[0]
    return definitions.ids.get(queue, queue)


def _settled(call: Call) -> object:
    return _of_first(call.args[0])


def _settled_each(call: Call) -> object:
    return None if call.place is None else _of_first(call.place.groups[0].settles)


def _of_first(settles: Sequence[Settle]) -> object:
    """The queue of the first receipt; whatever is no receipt is refused in any lane."""
    receipt = parse_receipt(settles[0].receipt) if settles else None
    return None if receipt is None else receipt.queue_id


def _stream(call: Call) -> object:
    return ("stream", call.args[0])


_OF: dict[Callable[..., Any], Callable[[Call], object]] = {
    engine.publish_each: _queue,
    engine.find: _queue,
    engine.find_by_id: _queue,
    engine.settle: _settled,
    engine.settle_each: _settled_each,
    leasing.lease: _queue,
    leasing.lease_alone: _queue,
    leasing.lease_to_takers: _queue,
    leasing.source_of: _queue,
    streams.append: _stream,
    positions.commit: _stream,
}
