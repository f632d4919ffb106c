"""The hot calls, a row each, and how one is found by its path. How a request reaches them is the mounts' affair.

Each is five steps: who may (the mount has asked), parse, one verb, map the result; errors are the mount's to map.
"""

from __future__ import annotations

import re

from brokerweb.core.errors import NotFound
from brokerweb.core.names import check_name
from brokerweb.faces.calls import groups, queues, raw, search, streams, topics
from brokerweb.faces.calls.call import Call, Names, Permission, Row, on
from brokerweb.faces.codec import answers
from brokerweb.faces.codec.messages import PublishRequest, ReceiveRequest
from brokerweb.faces.codec.positions import Commit
from brokerweb.faces.codec.query import Query
from brokerweb.faces.codec.settles import SettleRequest

BASE = "/api/v1/"
IN_BODY = Permission(
    "`consume` on every queue settled and every stream committed, and `publish` on every destination",
    lambda principal, names: None,  # what it needs is known once its body is parsed
)

FOUND = Permission("a token or session; what is found is what you hold `browse` on", lambda principal, names: None)

# The order is the document's.
QUEUES = (
    Row("POST", "queues/{q}/messages", queues.publish, "publishMessages", on("queue", "publish"), "Publish messages",
        {201: answers.PublishAnswer}, request=PublishRequest, errors=("not_found", "queue_full"), tag="messages",
        description="All or none; answered after the commit that stores them."),
    Row("POST", "queues/{q}/raw", queues.raw, "publishRaw", on("queue", "publish"), "Publish the request's body as one message",
        {201: answers.PublishAnswer}, raw=True, parameters=raw.HEADERS, errors=("not_found", "queue_full"), tag="messages",
        description="`Content-Type` is the message's type: JSON types become `body`, others `body_base64`. "
        "`Message-Header-NAME` becomes the header NAME, in lower case."),
    Row("POST", "queues/{q}/receive", queues.receive, "receiveMessages", on("queue", "consume"), "Receive messages",
        {200: answers.ReceiveAnswer}, request=ReceiveRequest, request_required=False, errors=("not_found",), tag="messages",
        description="Leases them; empty when there is nothing within `wait`. With `ack` `none` they are gone with the hand-out."),
    Row("POST", "queues/{q}/settle", queues.settle, "settleMessages", on("queue", "consume"), "Settle messages",
        {200: answers.SettleAnswer}, request=SettleRequest, errors=("not_found",), tag="messages",
        description="Each receipt by itself; a receipt that is not that of a running lease is `lease_lost`."),
)  # fmt: skip

STREAMS = (
    Row("GET", "streams/{s}/records", streams.read, "readRecords", on("stream", "browse"), "Read records",
        {200: answers.Records}, parameters=streams.PARAMETERS, errors=("not_found", "offset_out_of_range"), tag="streams",
        description="From `offset`, or from `from`, which is `earliest` without either. At the end it waits for the first new "
        "record. An offset below `low` or beyond `end` is 416 with both; where compaction removed it, the next one there is."),
    Row("POST", "streams/{s}/records", streams.append, "appendRecords", on("stream", "publish"), "Append records",
        {201: answers.AppendAnswer}, request=streams.AppendRequest, errors=("not_found", "conflict"), tag="streams",
        description="All or none, in order within each partition. A record goes to its `partition`, else to that of its `key`, "
        "else round robin. With `expected_offset` all must go to one partition whose end equals it; else 409 with `end`."),
)  # fmt: skip

COMMIT = Row(
    "POST", "streams/{s}/groups/{g}/commit", groups.commit, "commitGroup", on("stream", "consume"), "Commit a group's positions",
    {200: answers.CommitAnswer}, request=Commit, errors=("not_found", "conflict", "offset_out_of_range"), tag="groups",
    description="The next offset to read, by partition. Below what is committed, or of an old generation, it is 409; beyond "
    "the end 416.",
)  # fmt: skip

SHARED_GROUPS = (
    Row("POST", "streams/{s}/groups/{g}/receive", groups.receive, "receiveRecords", on("stream", "consume"),
        "Receive records of a shared group", {200: answers.GroupReceiveAnswer}, request=ReceiveRequest, request_required=False,
        errors=("not_found", "conflict"), tag="groups",
        description="Leases them one by one, as from a queue. A partitioned group is 409."),
    Row("POST", "streams/{s}/groups/{g}/settle", groups.settle, "settleRecords", on("stream", "consume"),
        "Settle records of a shared group", {200: answers.SettleAnswer}, request=SettleRequest,
        errors=("not_found", "conflict"), tag="groups",
        description="Each receipt by itself, as those of a queue."),
)  # fmt: skip

TOPICS = (
    Row("POST", "topics/{t}/messages", topics.publish, "publishToTopic", on("topic", "publish"), "Publish messages to a topic",
        {201: answers.TopicPublishAnswer}, request=topics.TopicPublishRequest,
        errors=("not_found", "unroutable", "queue_full", "conflict"), tag="topics",
        description="Every copy of every message is stored in one commit; a copy that is refused refuses all."),
)  # fmt: skip

TRANSACT = Row(
    "POST", "transact", topics.transact, "transact", IN_BODY, "Settle, commit and publish, all or nothing",
    {200: answers.TransactAnswer}, request=topics.Transaction, tag="transactions",
    errors=("not_found", "conflict", "lease_lost", "offset_out_of_range", "unroutable", "queue_full"),
    description="In one commit. The error of the first part that fails has `pointer`, which names it; nothing happened then.",
)  # fmt: skip

SEARCH = Row(
    "GET", "search", search.search, "search", FOUND, "Search messages and records", {200: answers.SearchAnswer},
    parameters=search.PARAMETERS, errors=("rate_limited",), tag="search",
    description="Nothing that matches within what was `scanned` is left out; `next` goes on where it `stopped`. Few run at once.",
)  # fmt: skip

CALLS = (*QUEUES, *STREAMS, COMMIT, *SHARED_GROUPS, *TOPICS, TRANSACT, SEARCH)
_BY_STEPS = {f"{row.method} {re.sub(r'/?{[a-z]+}', '', row.path)}": row for row in CALLS}  # the path without the names in it


def find(method: str, path: str) -> tuple[Row, Names] | None:
    """The hot call of a request, and the names in its path."""
    if not path.startswith(BASE):
        return None
    steps = path[len(BASE) :].split("/")
    found = _BY_STEPS.get(f"{method} {'/'.join(steps[::2])}")
    ends_in_a_name = len(steps) % 2 == 0  # as that of one message does: not the path of a hot call
    return None if found is None or ends_in_a_name or not all(steps) else (found, tuple(steps[1::2]))


async def answer(row: Row, call: Call) -> bytes:
    """The answer's body. What is not there is ``invalid`` where its name could never be one."""
    if call.query and not row.query:
        Query(call.query, ())
    try:
        body: bytes = await row.handler(call)
    except NotFound:
        for name, pointer in zip(call.names, row.pointers, strict=False):
            check_name(name, pointer)
        raise
    return body
