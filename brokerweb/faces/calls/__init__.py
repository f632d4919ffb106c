"""The hot calls, and how one is found by its path. How a request reaches them is the mounts' affair.

Each is five steps: who may (the mount has asked), parse, one verb, map the result; errors are the mount's to map.
"""

from __future__ import annotations

from brokerweb.core.errors import NotFound
from brokerweb.core.names import check_name
from brokerweb.faces.calls import groups, queues, streams, topics
from brokerweb.faces.calls.call import Call, Hot
from brokerweb.faces.codec.query import Query

__all__ = ["CALLS", "Call", "Hot", "answer", "find"]

# By the method and the path below /api/v1/, without the names in it.
CALLS = {
    "POST queues/messages": Hot(queues.publish, "publish", "queue", 201),
    "POST queues/raw": Hot(queues.raw, "publish", "queue", 201, by_headers=True),
    "POST queues/receive": Hot(queues.receive, "consume", "queue"),
    "POST queues/settle": Hot(queues.settle, "consume", "queue"),
    "POST streams/records": Hot(streams.append, "publish", "stream", 201),
    "GET streams/records": Hot(streams.read, "browse", "stream", parameters=streams.PARAMETERS),
    "POST streams/groups/commit": Hot(groups.commit, "consume", "stream"),
    "POST streams/groups/receive": Hot(groups.receive, "consume", "stream"),
    "POST streams/groups/settle": Hot(groups.settle, "consume", "stream"),
    "POST topics/messages": Hot(topics.publish, "publish", "topic", 201),
    "POST transact": Hot(topics.transact, None, ""),
}
_BASE = "/api/v1/"


def find(method: str, path: str) -> tuple[Hot, tuple[str, ...]] | None:
    """The hot call of a request, and the names in its path."""
    if not path.startswith(_BASE):
        return None
    steps = path[len(_BASE) :].split("/")
    found = CALLS.get(f"{method} {'/'.join(steps[::2])}")
    ends_in_a_name = len(steps) % 2 == 0  # as that of one message does: not the path of a hot call
    return None if found is None or ends_in_a_name or not all(steps) else (found, tuple(steps[1::2]))


async def answer(hot: Hot, call: Call) -> bytes:
    """The answer's body. What is not there is ``invalid`` where its name could never be one."""
    if call.query and not hot.parameters:
        Query(call.query, ())
    try:
        return await hot.answer(call)
    except NotFound:
        for name, pointer in zip(call.names, (f"/{hot.kind}", "/group"), strict=False):
            check_name(name, pointer)
        raise
