"""The console's addresses, by noun. Only sign-in answers without a session."""

from __future__ import annotations

from django.urls import path, register_converter

from brokerweb.console.bulk import actions as bulk_actions
from brokerweb.console.causes import views as cause_views
from brokerweb.console.connections import actions as connection_actions
from brokerweb.console.connections import views as connection_views
from brokerweb.console.dead_letters import actions as dead_letter_actions
from brokerweb.console.dead_letters import views as dead_letter_views
from brokerweb.console.groups import actions as group_actions
from brokerweb.console.groups import views as group_views
from brokerweb.console.jobs import actions as job_actions
from brokerweb.console.jobs import views as job_views
from brokerweb.console.messages import actions as message_actions
from brokerweb.console.messages import views as message_views
from brokerweb.console.nodes import views as node_views
from brokerweb.console.overview import actions as overview_actions
from brokerweb.console.overview import views as overview_views
from brokerweb.console.queues import actions as queue_actions
from brokerweb.console.queues import views as queue_views
from brokerweb.console.records import actions as record_actions
from brokerweb.console.records import views as record_views
from brokerweb.console.search import views as search_views
from brokerweb.console.signin import actions as signin
from brokerweb.console.streams import actions as stream_actions
from brokerweb.console.streams import views as stream_views
from brokerweb.console.stuck import views as stuck_views
from brokerweb.console.suggestions import views as suggestion_views
from brokerweb.console.tokens import actions as token_actions
from brokerweb.console.tokens import views as token_views
from brokerweb.console.topics import actions as topic_actions
from brokerweb.console.topics import views as topic_views
from brokerweb.core.names import NAME
from brokerweb.faces.http.ownership import own


class NameConverter:
    """A name of a queue, stream, group or topic, by its pattern: nothing else is ever looked up."""

    regex = NAME.pattern

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class IdConverter:
    """A message's, token's or job's id; a partition's number; an offset."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(NameConverter, "a_name")
register_converter(IdConverter, "row_id")

QUEUE, STREAM, TOPIC = "queues/<a_name:name>", "streams/<a_name:name>", "topics/<a_name:name>"
MESSAGE = f"{QUEUE}/messages/<row_id:message_id>"
RECORD = f"{STREAM}/records/<row_id:partition>/<row_id:offset>"
GROUP = f"{STREAM}/groups/<a_name:group>"
DEAD_IN_GROUP = f"{GROUP}/dead/<row_id:message_id>"

app_name = "brokerweb_console"
urlpatterns = [
    # signing in and out
    path("sign-in", signin.password, name="signin"),
    path("sign-in/<str:code>", signin.link, name="signin-link"),
    path("sign-out", signin.out, name="signout"),
    # the overview
    path("", overview_views.overview, name="overview"),
    path("theme", overview_actions.theme, name="theme"),
    path("first-steps/hide", overview_actions.hide_steps, name="hide-steps"),
    path("destinations", suggestion_views.destinations, name="destinations"),
    # what stands still, and search
    path("stuck", stuck_views.stuck, name="stuck"),
    path("search", search_views.search, name="search"),
    # queues
    path("queues", queue_views.queues, name="queues"),
    path("new/queue", queue_actions.new_queue, name="new-queue"),
    path(QUEUE, queue_views.queue, name="queue"),
    path(f"{QUEUE}/consumers", queue_views.consumers, name="consumers"),
    path(f"{QUEUE}/in-flight", queue_views.in_flight, name="in-flight"),
    path(f"{QUEUE}/settings", queue_actions.settings, name="settings"),
    path(f"{QUEUE}/pause", queue_actions.pause, name="pause"),
    path(f"{QUEUE}/resume", queue_actions.resume, name="resume"),
    path(f"{QUEUE}/resume/undo", queue_actions.undo_resume, name="undo-resume"),
    path(f"{QUEUE}/purge", queue_actions.purge, name="purge"),
    path(f"{QUEUE}/delete", queue_actions.delete, name="delete"),
    # messages
    path(f"{QUEUE}/publish", message_actions.publish, name="publish"),
    path(f"{QUEUE}/messages", message_views.messages, name="messages"),
    path(MESSAGE, message_views.message, name="message"),
    path(f"{MESSAGE}/body", message_views.body, name="body"),
    path(f"{MESSAGE}/edit", message_actions.edit, name="edit"),
    path(f"{MESSAGE}/requeue", message_actions.requeue, name="requeue"),
    path(f"{MESSAGE}/requeue/undo", message_actions.undo_requeue, name="undo-requeue"),
    path(f"{MESSAGE}/reschedule", message_actions.reschedule, name="reschedule"),
    path(f"{MESSAGE}/release", message_actions.release, name="release"),
    path(f"{MESSAGE}/redact", message_actions.redact, name="redact-message"),
    path(f"{MESSAGE}/delete", message_actions.delete, name="delete-message"),
    # dead letters
    path("dead", dead_letter_views.dead_letters, name="dead"),
    path("dead/causes", cause_views.causes, name="causes"),
    path("dead/redrive", dead_letter_actions.redrive, name="redrive"),
    path(f"{GROUP}/in-flight", dead_letter_views.group_in_flight, name="group-in-flight"),
    path(f"{GROUP}/dead", dead_letter_views.group_list, name="group-dead"),
    path(f"{GROUP}/redrive", dead_letter_actions.redrive_group, name="group-redrive"),
    path(DEAD_IN_GROUP, dead_letter_views.group_message, name="group-message"),
    path(f"{DEAD_IN_GROUP}/body", dead_letter_views.group_message_body, name="group-message-body"),
    path(f"{DEAD_IN_GROUP}/release", dead_letter_actions.release, name="group-release"),
    path(f"{DEAD_IN_GROUP}/requeue", dead_letter_actions.requeue, name="group-requeue"),
    path(f"{DEAD_IN_GROUP}/requeue/undo", dead_letter_actions.undo_requeue, name="group-undo-requeue"),
    # streams
    path("streams", stream_views.streams, name="streams"),
    path("new/stream", stream_actions.new_stream, name="new-stream"),
    path(STREAM, stream_views.stream, name="stream"),
    path(f"{STREAM}/settings", stream_actions.settings, name="stream-settings"),
    path(f"{STREAM}/replay", stream_actions.replay, name="replay"),
    path(f"{STREAM}/delete", stream_actions.delete, name="delete-stream"),
    # records
    path(f"{STREAM}/records", record_views.records, name="records"),
    path(RECORD, record_views.record, name="record"),
    path(f"{RECORD}/body", record_views.body, name="record-body"),
    path(f"{RECORD}/redact", record_actions.redact, name="redact-record"),
    path(f"{STREAM}/append", record_actions.append, name="append"),
    # consumer groups
    path(f"{STREAM}/groups", group_views.groups, name="groups"),
    path(f"{STREAM}/new/group", group_actions.new_group, name="new-group"),
    path(GROUP, group_views.group, name="group"),
    path(f"{GROUP}/settings", group_actions.settings, name="group-settings"),
    path(f"{GROUP}/seek", group_actions.seek, name="seek"),
    path(f"{GROUP}/undo", group_actions.undo, name="undo"),
    path(f"{GROUP}/delete", group_actions.delete, name="delete-group"),
    # topics
    path("topics", topic_views.topics, name="topics"),
    path("new/topic", topic_actions.new_topic, name="new-topic"),
    path(TOPIC, topic_views.topic, name="topic"),
    path(f"{TOPIC}/bindings", topic_actions.bind, name="bindings"),
    path(f"{TOPIC}/unbind", topic_actions.unbind, name="unbind"),
    path(f"{TOPIC}/unbind/undo", topic_actions.undo_unbind, name="undo-unbind"),
    path(f"{TOPIC}/publish", topic_actions.publish, name="topic-publish"),
    path(f"{TOPIC}/settings", topic_actions.settings, name="topic-settings"),
    path(f"{TOPIC}/delete", topic_actions.delete, name="delete-topic"),
    # jobs
    path("jobs", job_views.jobs, name="jobs"),
    path("jobs/plan", bulk_actions.plan, name="plan"),
    path("jobs/<row_id:job_id>", job_views.job, name="job"),
    path("jobs/<row_id:job_id>/cancel", job_actions.cancel, name="cancel-job"),
    path("jobs/<row_id:job_id>/undo", job_actions.undo, name="undo-job"),
    # connections
    path("connections", connection_views.connections, name="connections"),
    path("connections/<slug:connection_id>/close", connection_actions.close, name="close"),
    path("nodes", node_views.nodes, name="nodes"),
    # tokens
    path("tokens", token_views.tokens, name="tokens"),
    path("new/token", token_actions.new_token, name="new-token"),
    path("tokens/<row_id:token_id>/revoke", token_actions.revoke, name="revoke"),
]
own(urlpatterns)
