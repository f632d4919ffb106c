"""Every call of the API, a row each: a new one is a row here and its handler, which the row names.

Django's urls, who may, and the OpenAPI document are made from it. The hot calls' rows stand below, where no framework is.
"""

from __future__ import annotations

from brokerweb.answers.topology import LIMIT as SHOWN_OF_EACH
from brokerweb.faces import export
from brokerweb.faces.calls import search
from brokerweb.faces.calls import table as hot
from brokerweb.faces.calls.call import Permission, Row, on
from brokerweb.faces.codec.answers import Message
from brokerweb.faces.codec.query import LIMIT, MAX_LIMIT, Parameter
from brokerweb.faces.rest import (
    alert_shapes,
    alerts,
    audit,
    bulk,
    bulk_shapes,
    connections,
    definition_shapes,
    definitions,
    groups,
    job_shapes,
    jobs,
    masks,
    messages,
    nodes,
    queues,
    sample_shapes,
    samples,
    schema_shapes,
    schemas,
    searching,
    shapes,
    stream_shapes,
    streams,
    stuck,
    tokens,
    topic_shapes,
    topics,
    topologies,
    topology_shapes,
    user_shapes,
    users,
)
from brokerweb.identity.principal import Principal
from brokerweb.samples.answers import DEFAULT
from brokerweb.samples.reading import RANGES


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
HELD = (
    Parameter(
        "search", {"type": "string", "minLength": 1, "maxLength": 1000}, "only what has this text in its body, or its last error"
    ),
    Parameter(
        "header.NAME", {"type": "string", "maxLength": 1000}, "only what has this header; for NAME its name, several times"
    ),
    Parameter(
        "body.PATH",
        {"type": "string", "maxLength": 1000},
        "only what has this at a place in its JSON body, such as `body.customer.country=DE`, `body.items.0.qty=3`; several times",
    ),
    Parameter("published_after", {"type": "string", "format": "date-time"}, "only what was published at this instant or later"),
    Parameter("published_before", {"type": "string", "format": "date-time"}, "only what was published before this instant"),
)
VERDICT = Parameter(
    "verdict", {"type": "boolean", "default": False}, "with the verdict of each; a page has 200 items at most then"
)
MESSAGES_LEFT = Parameter("if_empty", {"type": "boolean", "default": False}, "refuse (409) while there are messages")
RECORDS_LEFT = Parameter("if_empty", {"type": "boolean", "default": False}, "refuse (409) while there are records")
FROM = Parameter(
    "from", {"type": "string"}, "`earliest`, `latest` (without it), an instant, or a position: `0-18,1-5`, or an event's `id`"
)
LAST_EVENT_ID = Parameter("Last-Event-ID", {"type": "string"}, "the `id` of the last event that came", where="header")

RANGE = Parameter(
    "range", {"type": "string", "enum": list(RANGES), "default": DEFAULT}, "how far back: an hour at most in steps of 10 s"
)
BEGIN = Parameter("from", {"type": "string", "format": "date-time"}, "instead of `range`, with `to`: within seven days")
END = Parameter("to", {"type": "string", "format": "date-time"}, "instead of `range`, with `from`")
WHO = Parameter("who", {"type": "string"}, "only what this name did, or `user:ID` or `token:ID`")
ACTION = Parameter("action", {"type": "string"}, "only this act, `queue.purge`, or all of a noun, `queue`")
CHANGED = Parameter("target", {"type": "string"}, "only what was done to this, and to what is below it: `queue:orders`, `job:7`")
CHANGED_SINCE = Parameter("since", {"type": "string", "format": "date-time"}, "only what was done at this instant or later")
ALERT_STATE = Parameter("state", {"type": "string", "enum": list(alerts.STATES)}, "those that hold, or those that are over")
ONLY = Parameter("only", {"type": "string"}, "some of queues, streams, groups, topics, with commas; all without it")
DRY = Parameter("dry_run", {"type": "boolean", "default": False}, "say what it would do, and do nothing")
MARKED = Parameter("range", {"type": "string", "enum": list(RANGES), "default": "7d"}, "how far back")

AROUND = Parameter(
    "around",
    {"type": "string"},
    "only what leads to one thing and from it: `queue:NAME`, `stream:NAME`, `topic:NAME`, `group:STREAM/NAME`, `publisher:NAME`, "
    "`consumer:NAME`",
)
SHOWN = Parameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": SHOWN_OF_EACH}, "how many of each kind at most"
)

DRY_RUN = "With `dry_run` it says what it would touch, and touches nothing."
MANY = (
    DRY_RUN + " Over 1,000, or with `rate`, it is a job (202). To choose by what messages hold, or see `samples`, needs `browse`."
)

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
        {200: shapes.MessageList}, parameters=(STATE, KEY, FINGERPRINT, *HELD, ORDER, VERDICT, LIMIT, AFTER),
        errors=("not_found", "rate_limited"), tag="messages",
        description="Looking changes nothing: no counter, no lease, no order. By what messages hold it says how far it came: "
        "`scanned`, and whether that was all."),
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
        errors=("not_found", "rate_limited"),
        description="Those ready, scheduled or blocked, unless `states` names others. " + MANY),
    Row("POST", "queues/{q}/redrive", messages.redrive_queue, "redriveQueue", on("queue", "manage"),
        "Put many dead messages back", {200: (shapes.Affected, shapes.Preview), 202: job_shapes.JobAnswer},
        request=shapes.RedriveRequest, request_required=False, errors=("not_found", "conflict", "rate_limited"),
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
        description="To `earliest`, `latest`, an instant, offsets by partition, by a shift, or where another group of the stream "
        "is; never outside of what the stream has. Running members go on from there. " + DRY_RUN),
    Row("POST", "streams/{s}/groups/{g}/undo", groups.undo_seek, "undoSeek", on("stream", "manage"), "Take the last seek back",
        {200: stream_shapes.SeekAnswer}, request=shapes.Nothing, request_required=False, errors=("not_found", "conflict"),
        tag="groups", description="Once; 409 when there is none."),
    *hot.SHARED_GROUPS,
    Row("GET", "streams/{s}/groups/{g}/dead", groups.browse_dead_records, "browseDeadRecords", on("stream", "browse"),
        "Browse dead records of a shared group", {200: stream_shapes.DeadList},
        parameters=(KEY, FINGERPRINT, *HELD, ORDER, LIMIT, AFTER),
        errors=("not_found", "conflict", "rate_limited"), tag="groups", description="Copies, which retention cannot take."),
    Row("POST", "streams/{s}/groups/{g}/redrive", groups.redrive_dead_records, "redriveDeadRecords", on("stream", "manage"),
        "Put dead records of a shared group back", {200: (shapes.Affected, shapes.Preview), 202: job_shapes.JobAnswer},
        request=stream_shapes.RedriveDead, request_required=False, errors=("not_found", "conflict", "rate_limited"), tag="groups",
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
        {200: (topic_shapes.RouteAnswer, topic_shapes.RouteAnswers)}, request=topic_shapes.RouteRequest,
        errors=("not_found",), tag="topics",
        description="A dry run: nothing is published. It takes what publishing takes, or a routing key and headers alone."),
    hot.TRANSACT,
    # Search
    hot.SEARCH,
    Row("GET", "search/export", searching.export_found, "exportFound", hot.FOUND, "Export what a search finds", {200: str},
        media_type="application/x-ndjson", other_types=("text/csv; charset=utf-8",), tag="search",
        parameters=(search.Q, search.IN, export.FORMAT, export.LIMIT), errors=("rate_limited",),
        description="As lines of JSON, or as CSV with `format=csv`. The last line says with `complete` whether that is all. "
        "`forbidden` where the broker has `BROKERWEB_EXPORT=false`."),
    Row("GET", "search/suggest", searching.suggest_conditions, "suggestConditions", hot.FOUND, "What a query may go on with",
        {200: shapes.SuggestionList}, parameters=(search.IN, STARTS), tag="search",
        description="Fields, and headers, paths and keys of what was stored lately."),
    # Answers
    Row("GET", "stuck", stuck.list_stuck, "listStuck", ANYONE, "What stands still", {200: shapes.StuckList}, parameters=(LIMIT,),
        tag="answers",
        description="Queues and groups on which you hold `browse`, worst first: messages held times the age of the oldest."),
    Row("GET", "topology", topologies.read_topology, "readTopology", ANYONE, "Where messages go",
        {200: topology_shapes.Topology}, parameters=(SHOWN, AROUND), errors=("not_found",), tag="answers",
        description="Who published within seven days, topics with their bindings, queues, streams, groups, and who consumes now, "
        "with rates: of what you hold `browse` on, the busiest first. Only what was seen, or is bound, has a way to something."),
    # Samples
    Row("GET", "samples", samples.sample_all, "sampleAll", ANYONE, "How all stood", {200: sample_shapes.AllSamples},
        parameters=(RANGE, BEGIN, END), tag="samples",
        description="All queues added up, and the streams; where you may not browse everything, the queues that you may, at most "
        "100 of them."),
    Row("GET", "queues/{q}/samples", samples.sample_queue, "sampleQueue", on("queue", "browse"), "How a queue stood",
        {200: sample_shapes.QueueSamples}, parameters=(RANGE, BEGIN, END), errors=("not_found",), tag="samples"),
    Row("GET", "streams/{s}/samples", samples.sample_stream, "sampleStream", on("stream", "browse"), "How a stream stood",
        {200: sample_shapes.Samples}, parameters=(RANGE, BEGIN, END), errors=("not_found",), tag="samples",
        description="`ready` are its records, `in` those appended, `out` those that retention or compaction took; `leased`, "
        "`dead` and `failed` are of its shared groups."),
    Row("GET", "streams/{s}/groups/{g}/samples", samples.sample_group, "sampleGroup", on("stream", "browse"),
        "How a consumer group stood", {200: sample_shapes.GroupSamples}, parameters=(RANGE, BEGIN, END), errors=("not_found",),
        tag="samples"),
    Row("GET", "topics/{t}/samples", samples.sample_topic, "sampleTopic", on("topic", "browse"), "What went through a topic",
        {200: sample_shapes.Samples}, parameters=(RANGE, BEGIN, END), errors=("not_found",), tag="samples",
        description="`in` is what was published, `failed` what no binding matched, `out` the rest. A topic holds nothing: all "
        "else is `null`."),
    Row("GET", "marks", samples.list_marks, "listMarks", ANYONE, "What happened meanwhile", {200: sample_shapes.MarkList},
        parameters=(MARKED, LIMIT), tag="samples",
        description="Deploys as they were told; pauses, seeks, redrives, purges, replays and starts of nodes mark themselves. Of "
        "what you hold `browse` on; the newest, the oldest of them first."),
    Row("POST", "marks", samples.note_mark, "noteMark", ANYONE, "Mark an instant", {201: sample_shapes.Mark},
        request=sample_shapes.MarkRequest, tag="samples",
        description="A deploy, say. With `manage` on its `target`, or on anything where it has none."),
    # Alerts
    Row("GET", "alerts", alerts.list_alerts, "listAlerts", ANYONE, "List alerts", {200: alert_shapes.AlertList},
        parameters=(ALERT_STATE, LIMIT), tag="alerts",
        description="The newest first; those on what you hold `browse` on. What is over is kept for 30 days."),
    Row("GET", "alerts/rules", alerts.list_rules, "listAlertRules", ADMIN, "List rules", {200: alert_shapes.RuleList},
        tag="alerts", description="By name."),
    Row("GET", "alerts/rules/{rule}", alerts.read_rule, "readAlertRule", ADMIN, "Read a rule", {200: alert_shapes.Rule},
        errors=("not_found",), tag="alerts"),
    Row("PUT", "alerts/rules/{rule}", alerts.declare_rule, "declareAlertRule", ADMIN, "Declare a rule",
        {201: alert_shapes.Rule, 200: alert_shapes.Rule}, request=alert_shapes.RuleRequest, errors=("conflict",), tag="alerts",
        description="Creates it (201), or puts it in the place of the one there is (200), whose alerts are over then."),
    Row("DELETE", "alerts/rules/{rule}", alerts.delete_rule, "deleteAlertRule", ADMIN, "Delete a rule", {204: None},
        errors=("not_found",), tag="alerts"),
    Row("GET", "alerts/channels", alerts.list_channels, "listAlertChannels", ADMIN, "List channels",
        {200: alert_shapes.ChannelList}, tag="alerts", description="By name, without what may be secret of them."),
    Row("GET", "alerts/channels/{channel}", alerts.read_channel, "readAlertChannel", ADMIN, "Read a channel",
        {200: alert_shapes.Channel}, errors=("not_found",), tag="alerts", description="Without what may be secret of it."),
    Row("PUT", "alerts/channels/{channel}", alerts.declare_channel, "declareAlertChannel", ADMIN, "Declare a channel",
        {201: alert_shapes.NewChannel, 200: alert_shapes.Channel}, request=alert_shapes.ChannelRequest, errors=("conflict",),
        tag="alerts", description="A new webhook is answered with its `secret`, shown this once, unless the request has one."),
    Row("DELETE", "alerts/channels/{channel}", alerts.delete_channel, "deleteAlertChannel", ADMIN, "Delete a channel",
        {204: None}, errors=("not_found", "conflict"), tag="alerts", description="Refused (409) while a rule names it."),
    Row("POST", "alerts/channels/{channel}/test", alerts.test_channel, "testAlertChannel", ADMIN, "Test a channel",
        {200: alert_shapes.Tested}, errors=("not_found",), tag="alerts", description="Tells it at once that this is a test."),
    Row("GET", "alerts/silences", alerts.list_silences, "listAlertSilences", ADMIN, "List silences",
        {200: alert_shapes.SilenceList}, tag="alerts", description="Those that last."),
    Row("POST", "alerts/silences", alerts.begin_silence, "beginAlertSilence", ADMIN, "Begin a silence",
        {201: alert_shapes.Silence}, request=alert_shapes.SilenceRequest, errors=("not_found", "conflict"), tag="alerts",
        description="What holds is shown all the same, and told of if it outlasts the silence."),
    Row("DELETE", "alerts/silences/{id}", alerts.end_silence, "endAlertSilence", ADMIN, "End a silence", {204: None},
        errors=("not_found",), tag="alerts"),
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
    Row("GET", "users", users.list_users, "listUsers", ADMIN, "List people", {200: user_shapes.UserList},
        parameters=(LIMIT, AFTER), tag="administration", description="By name."),
    Row("POST", "users", users.create_user, "createUser", ADMIN, "Make a person", {201: user_shapes.InvitedUser},
        request=user_shapes.UserRequest, errors=("conflict",), tag="administration",
        description="With a role, or several, each on a pattern. The link in this answer, and nowhere else, lets them set a "
        "password, once, within seven days."),
    Row("GET", "users/{name}", users.read_user, "readUser", ADMIN, "Read a person", {200: user_shapes.User},
        errors=("not_found",), tag="administration"),
    Row("PATCH", "users/{name}", users.change_user, "changeUser", ADMIN, "Change what a person may", {200: user_shapes.User},
        request=user_shapes.UserChanges, request_required=False, errors=("not_found", "conflict"), tag="administration",
        description="All their grants at once, or whether they may sign in. Their sessions and sockets end within 5 s. The last "
        "administrator stays one (409)."),
    Row("DELETE", "users/{name}", users.delete_user, "deleteUser", ADMIN, "Take a person away", {204: None},
        errors=("not_found", "conflict"), tag="administration",
        description="Of a user that a project has besides, what they may. Tokens that they made stay. The last administrator "
        "stays (409)."),
    Row("POST", "users/{name}/invite", users.invite_user, "inviteUser", ADMIN, "Invite a person again",
        {201: user_shapes.InvitedUser}, request=shapes.Nothing, request_required=False, errors=("not_found", "conflict"),
        tag="administration", description="The link before is void; a password that they have goes on until they set another."),
    Row("GET", "connections", connections.list_connections, "listConnections", ADMIN, "List live connections",
        {200: shapes.ConnectionList}, parameters=(LIMIT, AFTER), tag="administration",
        description="Of every node; what is at another node may be some seconds old."),
    Row("DELETE", "connections/{id}", connections.close_connection, "closeConnection", ADMIN, "Close a connection", {204: None},
        errors=("not_found",), tag="administration",
        description="The WebSocket is closed with 4009; within 5 s where it is another node's."),
    Row("GET", "nodes", nodes.list_nodes, "listNodes", ADMIN, "List the nodes", {200: shapes.NodeList},
        parameters=(LIMIT, AFTER), tag="administration",
        description="Those that run, and for an hour those that have fallen silent. On SQLite there is one."),
    Row("GET", "masks", masks.read_masks, "readMasks", ADMIN, "Read the masks", {200: shapes.Masks}, tag="administration",
        description="What of messages and records is shown as `•••` to whoever browses them without `unmask`."),
    Row("PUT", "masks", masks.put_masks, "putMasks", ADMIN, "Replace the masks", {200: shapes.Masks},
        request=shapes.MasksRequest, tag="administration",
        description="All that were put before. Those of the setting stay. Others nodes know within two seconds."),
    Row("GET", "schemas", schemas.list_schemas, "listSchemas", ADMIN, "List schemas", {200: schema_shapes.SchemaList},
        tag="administration", description="By name, without their sources. Pages read bodies of Avro and Protobuf by them."),
    Row("GET", "schemas/{schema}", schemas.read_schema, "readSchema", ADMIN, "Read a schema",
        {200: schema_shapes.WholeSchema}, errors=("not_found",), tag="administration", description="With its source."),
    Row("PUT", "schemas/{schema}", schemas.declare_schema, "declareSchema", ADMIN, "Declare a schema",
        {201: schema_shapes.Schema, 200: schema_shapes.Schema}, request=schema_shapes.SchemaRequest, errors=("conflict",),
        tag="administration", description="Creates it (201), or puts it in the place of the one there is (200). What cannot be "
        "read with is refused."),
    Row("DELETE", "schemas/{schema}", schemas.delete_schema, "deleteSchema", ADMIN, "Delete a schema", {204: None},
        errors=("not_found",), tag="administration", description="Bodies are shown as without it."),
    Row("GET", "audit", audit.list_audit, "listAudit", ADMIN, "Who changed what", {200: shapes.AuditList},
        parameters=(WHO, ACTION, CHANGED, CHANGED_SINCE, LIMIT, AFTER), tag="administration",
        description="The newest first. What is read, published and settled is not in it."),
    Row("GET", "definitions", definitions.read_definitions, "readDefinitions", ADMIN, "Everything declared, as one document",
        {200: definition_shapes.Definitions}, parameters=(ONLY,), tag="administration",
        description="Queues, streams, groups, topics with bindings, masks, schemas, channels and rules of alerts, by name. "
        "Messages, tokens, people and secrets are not in it."),
    Row("PUT", "definitions", definitions.put_definitions, "putDefinitions", ADMIN, "Declare everything in a document",
        {200: definition_shapes.DefinitionsPlan}, request=definition_shapes.DefinitionsRequest, parameters=(DRY, ONLY),
        errors=("not_found", "conflict"), tag="administration",
        description="What it names is created or changed, what it does not name is left; nothing is deleted. What is wrong with "
        "it, or does not fit what there is, is refused before anything is done, with all places. " + DRY_RUN),
)  # fmt: skip
