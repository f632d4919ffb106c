"""The console's addresses. Only sign-in answers without a session."""

from __future__ import annotations

from django.urls import path, register_converter

from brokerweb.core.names import NAME
from console import actions
from console.views import connections, dead, messages, overview, queue, queues, signin, tokens


class NameConverter:
    """A queue's name, by its pattern: nothing else is ever looked up."""

    regex = NAME.pattern

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class IdConverter:
    """A message's or token's id."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(NameConverter, "queue_name")
register_converter(IdConverter, "row_id")

app_name = "console"
urlpatterns = [
    path("sign-in", signin.password, name="signin"),
    path("sign-in/<str:code>", signin.link, name="signin-link"),
    path("sign-out", signin.out, name="signout"),
    path("", overview.overview, name="overview"),
    path("theme", overview.theme, name="theme"),
    path("first-steps/hide", overview.hide_steps, name="hide-steps"),
    path("queues", queues.queues, name="queues"),
    path("new/queue", queues.new_queue, name="new-queue"),
    path("queues/<queue_name:name>", queue.queue, name="queue"),
    path("queues/<queue_name:name>/consumers", queue.consumers, name="consumers"),
    path("queues/<queue_name:name>/publish", queue.publish, name="publish"),
    path("queues/<queue_name:name>/settings", queue.settings, name="settings"),
    path("queues/<queue_name:name>/pause", actions.pause, name="pause"),
    path("queues/<queue_name:name>/resume", actions.resume, name="resume"),
    path("queues/<queue_name:name>/purge", actions.purge, name="purge"),
    path("queues/<queue_name:name>/delete", actions.delete, name="delete"),
    path("queues/<queue_name:name>/messages", queue.messages_of, name="messages"),
    path("queues/<queue_name:name>/messages/<row_id:message_id>", messages.message, name="message"),
    path("queues/<queue_name:name>/messages/<row_id:message_id>/body", messages.body, name="body"),
    path("queues/<queue_name:name>/messages/<row_id:message_id>/edit", messages.edit, name="edit"),
    path("queues/<queue_name:name>/messages/<row_id:message_id>/requeue", actions.requeue, name="requeue"),
    path("queues/<queue_name:name>/messages/<row_id:message_id>/reschedule", actions.reschedule, name="reschedule"),
    path("queues/<queue_name:name>/messages/<row_id:message_id>/delete", actions.delete_message, name="delete-message"),
    path("dead", dead.dead, name="dead"),
    path("dead/redrive", dead.redrive, name="redrive"),
    path("connections", connections.connections, name="connections"),
    path("connections/<slug:connection_id>/close", actions.close, name="close"),
    path("tokens", tokens.tokens, name="tokens"),
    path("new/token", tokens.new_token, name="new-token"),
    path("tokens/<row_id:token_id>/revoke", actions.revoke, name="revoke"),
]
