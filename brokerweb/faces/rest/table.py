"""Every call of the API, a row each: a new one is a row here and its handler, which the row names.

Django's urls, who may, and the OpenAPI document are made from it. The hot calls' rows stand below, where no framework is.
"""

from __future__ import annotations

from brokerweb.faces import export
from brokerweb.faces.calls import search
from brokerweb.faces.calls import table as hot
from brokerweb.faces.calls.call import Permission, Row, on
from brokerweb.faces.codec.answers import Message
from brokerweb.faces.codec.query import LIMIT, Parameter
from brokerweb.faces.rest import (
    bulk,
    bulk_shapes,
    connections,
    groups,
    job_shapes,
    jobs,
    messages,
    nodes,
    queues,
    searching,
    shapes,
    stream_shapes,
    streams,
    stuck,
    tokens,
    topic_shapes,
    topics,
)
from brokerweb.identity.principal import Principal


def _require_delegate(principal: Principal, names: tuple[str, ...]) -> None:
    if not principal.delegates:
        principal.require_admin()


ANYONE = Permission("a token or session; what is listed depends on its grants", lambda principal, names: None)
ADMIN = Permission("`admin` on `*`", lambda principal, names: principal.require_admin())
DELEGATE = Permission("`admin` on any pattern", _require_delegate)

AFTER = Parameter("after", {"type": "string"}, "the cursor `next` of the page before, with the same filter")
STARTS = Parameter("prefix", {"type": "string"}, "what a condition begins with, whatever its case")
PREFIX = Parameter("prefix", {"type": "string"}, "only names that begin with this")
TARGET = Parameter("target", {"type": "string"}, "only jobs on this `queue:NAME` or `stream:NAME`")
STATE = Parameter(
    "state",
    {"type": "string"},
    "one state, or several with commas: ready, scheduled, blocked, leased, dead; or settled, alone",
)
FINGERPRINT = Parameter(
    "fingerprint",
    {"type": "string", "pattern": "^[0-9a-f]{16}(,[0-9a-f]{16})*$"},
    "only dead messages of this cause, as `GET /dead/groups` has it; several with commas",
)
WITHIN = Parameter(
    "in",
    {"type": "array", "items": {"type": "string"}, "maxItems": 20},
    "only these, repeated: `queue:PATTERN`, `stream:PATTERN` or `stream:PATTERN/GROUPS` for shared groups (`*`, `?`)",
)
SINCE = Parameter("since", {"type": "string", "format": "date-time"}, "only what died at this instant or later")
KEY = Parameter("key", {"type": "string"}, "only messages with this key")
ORDER = Parameter("order", {"type": "string", "enum": ["asc", "desc"], "default": "asc"}, "by id: the oldest or the newest first")
VERDICT = Parameter(
    "verdict", {"type": "boolean", "default": False}, "with the verdict of each; a page has 200 items at most then"
)
MESSAGES_LEFT = Parameter("if_empty", {"type": "boolean", "default": False}, "refuse (409) while there are messages")
RECORDS_LEFT = Parameter("if_empty", {"type": "boolean", "default": False}, "refuse (409) while there are records")
FROM = Parameter(
    "from", {"type": "string"}, "`earliest`, `latest` (without it), an instant, or a position: `0-18,1-5`, or an event's `id`"
)
LAST_EVENT_ID = Parameter("Last-Event-ID", {"type": "string"}, "the `id` of the last event that came", where="header")

DRY_RUN = "With `dry_run` it says what it would touch, and touches nothing."
MANY = DRY_RUN + " Over 1,000, or with `rate`, it is a job (202)."

# The order is the document's.
CALLS = (
    # Queues and messages
    Row("GET", "queues", queues.list_queues, "listQueues", ANYONE, "List queues", {200: shapes.QueueList},
        parameters=(PREFIX, VERDICT, LIMIT, AFTER), description="By name; those on which you hold `browse`."),
    Row("GET", "queues/{q}", queues.read_queue, "readQueue", on("queue", "browse"), "Read a queue", {200: shapes.Queue},
        errors=("not_found",), versioned=True),
    Row("PUT", "queues/{q}", queues.declare_queue, "declareQueue", on("queue", "manage"), "Declare a queue",
        {201: shapes.Queue, 200: shapes.Queue}, request=shapes.QueueSettings, request_required=False, errors=("conflict",),
        description="Creates it (201), or changes the settings named (200).", versioned=True),
    Row("PATCH", "queues/{q}", queues.change_queue, "changeQueue", on("queue", "manage"), "Change a queue's settings",
        {200: shapes.Queue}, request=shapes.QueueSettings, request_required=False, errors=("not_found", "conflict"),
        versioned=True),
    Row("DELETE", "queues/{q}", queues.delete_queue, "deleteQueue", on("queue", "manage"), "Delete a queue and its messages",
        {204: None}, parameters=(MESSAGES_LEFT,), errors=("not_found", "conflict"), versioned=True),
    Row("GET", "queues/{q}/messages", messages.browse_messages, "browseMessages", on("queue", "browse"), "Browse messages",
        {200: shapes.MessageList}, parameters=(STATE, KEY, FINGERPRINT, ORDER, VERDICT, LIMIT, AFTER), errors=("not_found",),
        tag="messages",
        description="Looking changes nothing: no counter, no lease, no order."),
    *hot.QUEUES,
    Row("GET", "queues/{q}/messages/{id}", messages.read_message, "readMessage", on("queue", "browse"), "Read a message",
        {200: Message}, errors=("not_found",), tag="messages", description="With its failures, why it is where it is, what "
        "happened to it, and its relatives; also where it has ended and is kept. Where it is not, the problem has what is left "
        "of the `timeline`."),
    Row("PATCH", "queues/{q}/messages/{id}", messages.reschedule_message, "rescheduleMessage", on("queue", "manage"),
        "Reschedule a message", {200: Message}, request=shapes.Reschedule, errors=("not_found", "conflict"),
        tag="messages", description="A ready or scheduled message is due at another time."),
    Row("DELETE", "queues/{q}/messages/{id}", messages.delete_message, "deleteMessage", on("queue", "manage"),
        "Delete a message", {204: None}, errors=("not_found", "conflict"), tag="messages"),
    Row("POST", "queues/{q}/messages/{id}/requeue", messages.requeue_message, "requeueMessage", on("queue", "manage"),
        "Put a dead or scheduled message back", {200: Message, 201: shapes.NewId}, request=shapes.RequeueRequest,
        request_required=False, errors=("not_found", "conflict", "too_large", "queue_full"), tag="messages",
        description="Ready at the end of the queue, failures forgotten, same id (200). With `message` the edited copy replaces "
        "the original in one commit (201)."),
    Row("POST", "queues/{q}/messages/{id}/redact", messages.redact_message, "redactMessage", on("queue", "manage"),
        "Take away what a message holds", {200: Message, 204: None}, request=shapes.Nothing, request_required=False,
        errors=("not_found",), tag="messages",
        description="Whatever its state: body, headers and error texts are gone, its id, key, times and receipts stay."),
    Row("POST", "queues/{q}/pause", queues.pause_queue, "pauseQueue", on("queue", "manage"), "Stop handing out",
        {200: shapes.Queue}, request=shapes.PauseRequest, request_required=False, errors=("not_found",),
        description="Publishing and settling go on. A queue that is paused stays as it is."),
    Row("POST", "queues/{q}/resume", queues.resume_queue, "resumeQueue", on("queue", "manage"), "Hand out again",
        {200: shapes.Queue}, request=shapes.Nothing, request_required=False, errors=("not_found",)),
    Row("POST", "queues/{q}/purge", messages.purge_queue, "purgeQueue", on("queue", "manage"), "Delete many messages",
        {200: (shapes.Affected, shapes.Preview), 202: job_shapes.JobAnswer}, request=shapes.PurgeRequest, request_required=False,
        errors=("not_found",),
        description="Those ready, scheduled or blocked, unless `states` names others. " + MANY),
    Row("POST", "queues/{q}/redrive", messages.redrive_queue, "redriveQueue", on("queue", "manage"),
        "Put many dead messages back", {200: (shapes.Affected, shapes.Preview), 202: job_shapes.JobAnswer},
        request=shapes.RedriveRequest, request_required=False, errors=("not_found", "conflict"),
        description="Ready at the end of their queue, or of `to`, on which it needs `publish`. " + MANY),
    Row("GET", "queues/{q}/dead/groups", bulk.list_causes_of_queue, "listCausesOfQueue", on("queue", "browse"),
        "What a queue's dead letters died of", {200: bulk_shapes.CauseList}, parameters=(SINCE, LIMIT, AFTER),
        errors=("not_found",), tag="messages"),
    Row("GET", "dead/groups", bulk.list_causes, "listCauses", ANYONE, "What dead letters died of", {200: bulk_shapes.CauseList},
        parameters=(WITHIN, SINCE, LIMIT, AFTER), tag="messages",
        description="By cause, the most frequent first, over all queues and shared groups on which you hold `browse`."),
    Row("POST", "bulk", bulk.act_on_many, "actOnMany", ANYONE, "Redrive, move, purge or reschedule many messages",
        {202: job_shapes.JobAnswer, 200: bulk_shapes.Plan}, request=bulk_shapes.BulkRequest, errors=("not_found", "conflict"),
        tag="messages",
        description="Of any queues, as one job (202). It needs `manage` on all that it touches, and `publish` on `to`. With "
        "`dry_run` it answers with its plan (200), and touches nothing. With `first` it tries with so many, and goes on only if "
        "none of them dies."),
    # Streams
    Row("GET", "streams", streams.list_streams, "listStreams", ANYONE, "List streams", {200: stream_shapes.StreamList},
        parameters=(PREFIX, LIMIT, AFTER), tag="streams", description="By name; those on which you hold `browse`."),
    Row("GET", "streams/{s}", streams.read_stream, "readStream", on("stream", "browse"), "Read a stream",
        {200: stream_shapes.Stream}, errors=("not_found",), tag="streams", versioned=True),
    Row("PUT", "streams/{s}", streams.declare_stream, "declareStream", on("stream", "manage"), "Declare a stream",
        {201: stream_shapes.Stream, 200: stream_shapes.Stream}, request=stream_shapes.StreamSettings, request_required=False,
        errors=("conflict",), tag="streams",
        description="Creates it (201), or changes the settings named (200). Partitions become more, never fewer (409).",
        versioned=True),
    Row("PATCH", "streams/{s}", streams.change_stream, "changeStream", on("stream", "manage"), "Change a stream's settings",
        {200: stream_shapes.Stream}, request=stream_shapes.StreamSettings, request_required=False,
        errors=("not_found", "conflict"), tag="streams", versioned=True),
    Row("DELETE", "streams/{s}", streams.delete_stream, "deleteStream", on("stream", "manage"),
        "Delete a stream, its records and its groups", {204: None}, parameters=(RECORDS_LEFT,),
        errors=("not_found", "conflict"), tag="streams", versioned=True),
    *hot.STREAMS,
    Row("DELETE", "streams/{s}/records/{partition}/{offset}", streams.redact_record, "redactRecord", on("stream", "manage"),
        "Take away what a record holds", {204: None}, errors=("not_found", "offset_out_of_range"), tag="streams",
        description="Body and headers are gone, and with the error texts those of its copies in shared groups; offset, key and "
        "times stay."),
    Row("GET", "streams/{s}/live", streams.follow_stream, "followStream", on("stream", "browse"), "Follow a stream", {200: str},
        media_type="text/event-stream", parameters=(FROM, LAST_EVENT_ID), errors=("not_found", "offset_out_of_range"),
        tag="streams",
        description="Server-sent events: `event: record`, its `data` the record, its `id` the whole position behind it. `event: "
        "closed` says why it ends."),
    Row("POST", "streams/{s}/replay", jobs.replay_stream, "replayStream", on("stream", "manage"), "Copy a range of records",
        {202: job_shapes.JobAnswer, 200: job_shapes.ReplayPlan}, request=job_shapes.ReplayRequest,
        errors=("not_found", "offset_out_of_range"), tag="jobs",
        description="To a queue, a stream or a topic, on which it needs `publish`; as a job. " + DRY_RUN),
    # Consumer groups
    Row("GET", "streams/{s}/groups", groups.list_groups, "listGroups", on("stream", "browse"), "List a stream's consumer groups",
        {200: stream_shapes.GroupList}, parameters=(VERDICT, LIMIT, AFTER), errors=("not_found",), tag="groups"),
    Row("GET", "streams/{s}/groups/{g}", groups.read_group, "readGroup", on("stream", "browse"), "Read a consumer group",
        {200: stream_shapes.Group}, errors=("not_found",), tag="groups",
        description="Its members, who has which partition, its generation, how far it has come, and its lag.", versioned=True),
    Row("PUT", "streams/{s}/groups/{g}", groups.declare_group, "declareGroup", on("stream", "manage"),
        "Declare a consumer group", {201: stream_shapes.Group, 200: stream_shapes.Group}, request=stream_shapes.GroupSettings,
        request_required=False, errors=("not_found", "conflict"), tag="groups",
        description="Creates it (201), or changes the settings named (200). A group begins at `start`.", versioned=True),
    Row("DELETE", "streams/{s}/groups/{g}", groups.delete_group, "deleteGroup", on("stream", "manage"),
        "Delete a consumer group", {204: None}, errors=("not_found",), tag="groups",
        description="Its members' subscriptions end.", versioned=True),
    hot.COMMIT,
    Row("POST", "streams/{s}/groups/{g}/seek", groups.seek_group, "seekGroup", on("stream", "manage"),
        "Move a group's positions", {200: stream_shapes.SeekAnswer}, request=stream_shapes.SeekRequest,
        errors=("not_found", "conflict"), tag="groups",
        description="To `earliest`, `latest`, an instant, offsets by partition, or by a shift; never outside of what the stream "
        "has. Running members go on from there. " + DRY_RUN),
    Row("POST", "streams/{s}/groups/{g}/undo", groups.undo_seek, "undoSeek", on("stream", "manage"), "Take the last seek back",
        {200: stream_shapes.SeekAnswer}, request=shapes.Nothing, request_required=False, errors=("not_found", "conflict"),
        tag="groups", description="Once; 409 when there is none."),
    *hot.SHARED_GROUPS,
    Row("GET", "streams/{s}/groups/{g}/dead", groups.browse_dead_records, "browseDeadRecords", on("stream", "browse"),
        "Browse dead records of a shared group", {200: stream_shapes.DeadList},
        parameters=(KEY, FINGERPRINT, ORDER, LIMIT, AFTER),
        errors=("not_found", "conflict"), tag="groups", description="Copies, which retention cannot take."),
    Row("POST", "streams/{s}/groups/{g}/redrive", groups.redrive_dead_records, "redriveDeadRecords", on("stream", "manage"),
        "Put dead records of a shared group back", {200: (shapes.Affected, shapes.Preview), 202: job_shapes.JobAnswer},
        request=stream_shapes.RedriveDead, request_required=False, errors=("not_found", "conflict"), tag="groups",
        description="The group hands them out again. " + MANY),
    # Topics and transactions
    Row("GET", "topics", topics.list_topics, "listTopics", ANYONE, "List topics", {200: topic_shapes.TopicList},
        parameters=(PREFIX, LIMIT, AFTER), tag="topics", description="By name; those on which you hold `browse`."),
    Row("GET", "topics/{t}", topics.read_topic, "readTopic", on("topic", "browse"), "Read a topic", {200: topic_shapes.Topic},
        errors=("not_found",), tag="topics", versioned=True),
    Row("PUT", "topics/{t}", topics.declare_topic, "declareTopic", on("topic", "manage"), "Declare a topic",
        {201: topic_shapes.Topic, 200: topic_shapes.Topic}, request=topic_shapes.TopicSettings, request_required=False,
        errors=("not_found",), tag="topics",
        description="Creates it (201), or changes the settings named (200). A new binding needs `publish` on its target, which "
        "must be there (404).", versioned=True),
    Row("PATCH", "topics/{t}", topics.change_topic, "changeTopic", on("topic", "manage"), "Change a topic's settings",
        {200: topic_shapes.Topic}, request=topic_shapes.TopicSettings, request_required=False, errors=("not_found",),
        tag="topics", versioned=True),
    Row("DELETE", "topics/{t}", topics.delete_topic, "deleteTopic", on("topic", "manage"), "Delete a topic and its bindings",
        {204: None}, errors=("not_found",), tag="topics", description="What they led to stays.", versioned=True),
    Row("POST", "topics/{t}/bindings", topics.add_bindings, "addBindings", on("topic", "manage"), "Add bindings",
        {200: topic_shapes.Topic}, request=topic_shapes.BindingsRequest, errors=("not_found",), tag="topics", versioned=True,
        description="Just these, in one commit, whatever others do meanwhile. What is bound already stays as it is. A new one "
        "needs `publish` on its target, which must be there (404)."),
    Row("DELETE", "topics/{t}/bindings", topics.remove_bindings, "removeBindings", on("topic", "manage"), "Take bindings away",
        {200: topic_shapes.Topic}, request=topic_shapes.BindingsRequest, errors=("not_found",), tag="topics", versioned=True,
        description="Just these, in one commit, whatever others do meanwhile. What is not bound is no error."),
    *hot.TOPICS,
    Row("POST", "topics/{t}/route", topics.route_message, "routeMessage", on("topic", "browse"), "Where a message would go",
        {200: topic_shapes.RouteAnswer}, request=topic_shapes.RouteRequest, errors=("not_found",), tag="topics",
        description="A dry run: nothing is published."),
    hot.TRANSACT,
    # Search
    hot.SEARCH,
    Row("GET", "search/export", searching.export_found, "exportFound", hot.FOUND, "Export what a search finds", {200: str},
        media_type="application/x-ndjson", other_types=("text/csv; charset=utf-8",), tag="search",
        parameters=(search.Q, search.IN, export.FORMAT, export.LIMIT), errors=("rate_limited",),
        description="As lines of JSON, or as CSV with `format=csv`. The last line says with `complete` whether that is all."),
    Row("GET", "search/suggest", searching.suggest_conditions, "suggestConditions", hot.FOUND, "What a query may go on with",
        {200: shapes.SuggestionList}, parameters=(search.IN, STARTS), tag="search",
        description="Fields, and headers, paths and keys of what was stored lately."),
    # Answers
    Row("GET", "stuck", stuck.list_stuck, "listStuck", ANYONE, "What stands still", {200: shapes.StuckList}, parameters=(LIMIT,),
        tag="answers",
        description="Queues and groups on which you hold `browse`, worst first: messages held times the age of the oldest."),
    # Administration
    Row("GET", "jobs", jobs.list_jobs, "listJobs", ANYONE, "List jobs", {200: job_shapes.JobList},
        parameters=(TARGET, LIMIT, AFTER), tag="jobs",
        description="The newest first; those on what you hold `browse` on."),
    Row("GET", "jobs/{id}", jobs.read_job, "readJob", ANYONE, "Read a job", {200: job_shapes.Job}, errors=("not_found",),
        tag="jobs", description="With `browse` on what it works on."),
    Row("DELETE", "jobs/{id}", jobs.cancel_job, "cancelJob", ANYONE, "Cancel a job", {200: job_shapes.Job},
        errors=("not_found", "conflict"), tag="jobs",
        description="With `manage` on what it works on. What it did stays; a finished one is 409."),
    Row("GET", "jobs/{id}/failed", bulk.list_failed, "listFailed", ANYONE, "List what a job could not do",
        {200: bulk_shapes.FailedList}, parameters=(LIMIT, AFTER), errors=("not_found",), tag="jobs",
        description="The first thousand, with why. With `browse` on what it works on."),
    Row("POST", "jobs/{id}/undo", bulk.undo_job, "undoJob", ANYONE, "Undo a redrive or a move", {202: job_shapes.JobAnswer},
        request=shapes.Nothing, request_required=False, errors=("not_found", "conflict"), tag="jobs",
        description="With `manage` on what it works on, until `undo_until_at`: a job puts back what was not handed out since. "
        "One that still runs is cancelled."),
    Row("GET", "tokens", tokens.list_tokens, "listTokens", DELEGATE, "List tokens", {200: shapes.TokenList},
        parameters=(LIMIT, AFTER), tag="administration",
        description="An administrator sees all, others those they made."),
    Row("POST", "tokens", tokens.create_token, "createToken", DELEGATE, "Make a token", {201: shapes.NewToken},
        request=shapes.TokenRequest, tag="administration",
        description="Its text is in this answer and nowhere else. It grants no more than its maker, and expires no later."),
    Row("DELETE", "tokens/{id}", tokens.revoke_token, "revokeToken", DELEGATE, "Revoke a token", {204: None},
        errors=("not_found",), tag="administration"),
    Row("GET", "connections", connections.list_connections, "listConnections", ADMIN, "List live connections",
        {200: shapes.ConnectionList}, parameters=(LIMIT, AFTER), tag="administration",
        description="Of every node; what is at another node may be some seconds old."),
    Row("DELETE", "connections/{id}", connections.close_connection, "closeConnection", ADMIN, "Close a connection", {204: None},
        errors=("not_found",), tag="administration",
        description="The WebSocket is closed with 4009; within 5 s where it is another node's."),
    Row("GET", "nodes", nodes.list_nodes, "listNodes", ADMIN, "List the nodes", {200: shapes.NodeList},
        parameters=(LIMIT, AFTER), tag="administration",
        description="Those that run, and for an hour those that have fallen silent. On SQLite there is one."),
)  # fmt: skip
