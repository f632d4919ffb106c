"""The console's addresses. Only sign-in answers without a session."""

from __future__ import annotations

from django.urls import path, register_converter

from brokerweb.console import actions
from brokerweb.console.views import (
    connections,
    dead,
    group_dead,
    groups,
    jobs,
    messages,
    overview,
    queue,
    queues,
    records,
    replay,
    signin,
    stream,
    streams,
    tokens,
    topics,
)
from brokerweb.core.names import NAME


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

GROUP = "streams/<a_name:name>/groups/<a_name:group>"
OF_GROUP = (
    ("", groups.group, "group"),
    ("/settings", groups.settings, "group-settings"),
    ("/seek", groups.seek, "seek"),
    ("/undo", groups.undo, "undo"),
    ("/delete", groups.delete, "delete-group"),
    ("/dead", group_dead.dead, "group-dead"),
    ("/redrive", group_dead.redrive, "group-redrive"),
    ("/dead/<row_id:message_id>", group_dead.message, "group-message"),
    ("/dead/<row_id:message_id>/body", group_dead.body, "group-message-body"),
    ("/dead/<row_id:message_id>/requeue", group_dead.requeue, "group-requeue"),
)

app_name = "brokerweb_console"
urlpatterns = [
    path("sign-in", signin.password, name="signin"),
    path("sign-in/<str:code>", signin.link, name="signin-link"),
    path("sign-out", signin.out, name="signout"),
    path("", overview.overview, name="overview"),
    path("theme", overview.theme, name="theme"),
    path("first-steps/hide", overview.hide_steps, name="hide-steps"),
    path("queues", queues.queues, name="queues"),
    path("new/queue", queues.new_queue, name="new-queue"),
    path("queues/<a_name:name>", queue.queue, name="queue"),
    path("queues/<a_name:name>/consumers", queue.consumers, name="consumers"),
    path("queues/<a_name:name>/publish", queue.publish, name="publish"),
    path("queues/<a_name:name>/settings", queue.settings, name="settings"),
    path("queues/<a_name:name>/pause", actions.pause, name="pause"),
    path("queues/<a_name:name>/resume", actions.resume, name="resume"),
    path("queues/<a_name:name>/purge", actions.purge, name="purge"),
    path("queues/<a_name:name>/delete", actions.delete, name="delete"),
    path("queues/<a_name:name>/messages", queue.messages_of, name="messages"),
    path("queues/<a_name:name>/messages/<row_id:message_id>", messages.message, name="message"),
    path("queues/<a_name:name>/messages/<row_id:message_id>/body", messages.body, name="body"),
    path("queues/<a_name:name>/messages/<row_id:message_id>/edit", messages.edit, name="edit"),
    path("queues/<a_name:name>/messages/<row_id:message_id>/requeue", actions.requeue, name="requeue"),
    path("queues/<a_name:name>/messages/<row_id:message_id>/reschedule", messages.reschedule, name="reschedule"),
    path("queues/<a_name:name>/messages/<row_id:message_id>/delete", actions.delete_message, name="delete-message"),
    path("streams", streams.streams, name="streams"),
    path("new/stream", streams.new_stream, name="new-stream"),
    path("streams/<a_name:name>", stream.stream, name="stream"),
    path("streams/<a_name:name>/records", stream.records_of, name="records"),
    path("streams/<a_name:name>/records/<row_id:partition>/<row_id:offset>", records.record, name="record"),
    path("streams/<a_name:name>/records/<row_id:partition>/<row_id:offset>/body", records.body, name="record-body"),
    path("streams/<a_name:name>/append", stream.append, name="append"),
    path("streams/<a_name:name>/settings", stream.settings, name="stream-settings"),
    path("streams/<a_name:name>/replay", replay.replay, name="replay"),
    path("streams/<a_name:name>/delete", actions.delete_stream, name="delete-stream"),
    path("streams/<a_name:name>/groups", stream.groups, name="groups"),
    path("streams/<a_name:name>/new/group", groups.new_group, name="new-group"),
    *(path(f"{GROUP}{place}", view, name=name) for place, view, name in OF_GROUP),
    path("topics", topics.topics, name="topics"),
    path("new/topic", topics.new_topic, name="new-topic"),
    path("topics/<a_name:name>", topics.topic, name="topic"),
    path("topics/<a_name:name>/bindings", topics.bindings_of, name="bindings"),
    path("topics/<a_name:name>/unbind", topics.unbind, name="unbind"),
    path("topics/<a_name:name>/publish", topics.publish, name="topic-publish"),
    path("topics/<a_name:name>/settings", topics.settings, name="topic-settings"),
    path("topics/<a_name:name>/delete", topics.delete, name="delete-topic"),
    path("jobs", jobs.jobs, name="jobs"),
    path("jobs/<row_id:job_id>", jobs.job, name="job"),
    path("jobs/<row_id:job_id>/cancel", jobs.cancel, name="cancel-job"),
    path("dead", dead.dead, name="dead"),
    path("dead/redrive", dead.redrive, name="redrive"),
    path("connections", connections.connections, name="connections"),
    path("connections/<slug:connection_id>/close", actions.close, name="close"),
    path("tokens", tokens.tokens, name="tokens"),
    path("new/token", tokens.new_token, name="new-token"),
    path("tokens/<row_id:token_id>/revoke", actions.revoke, name="revoke"),
]
