"""The console's addresses, by noun. Only sign-in, and the colour of its page, answer without a session."""

from __future__ import annotations

from django.urls import path, register_converter

from brokerweb.console.access import views as access_views
from brokerweb.console.alerts import actions as alert_actions
from brokerweb.console.alerts import views as alert_views
from brokerweb.console.audit import views as audit_views
from brokerweb.console.bulk import actions as bulk_actions
from brokerweb.console.causes import views as cause_views
from brokerweb.console.connections import actions as connection_actions
from brokerweb.console.connections import views as connection_views
from brokerweb.console.dead_letters import actions as dead_letter_actions
from brokerweb.console.dead_letters import views as dead_letter_views
from brokerweb.console.definitions import actions as definition_actions
from brokerweb.console.definitions import views as definition_views
from brokerweb.console.environment import stylesheet
from brokerweb.console.exports import views as export_views
from brokerweb.console.failures import views as failure_views
from brokerweb.console.groups import actions as group_actions
from brokerweb.console.groups import views as group_views
from brokerweb.console.jobs import actions as job_actions
from brokerweb.console.jobs import views as job_views
from brokerweb.console.lists import actions as list_actions
from brokerweb.console.maps import views as map_views
from brokerweb.console.masks import actions as mask_actions
from brokerweb.console.messages import actions as message_actions
from brokerweb.console.messages import views as message_views
from brokerweb.console.news import views as news_views
from brokerweb.console.nodes import views as node_views
from brokerweb.console.overview import actions as overview_actions
from brokerweb.console.overview import views as overview_views
from brokerweb.console.palette import views as palette_views
from brokerweb.console.publishing import actions as publishing_actions
from brokerweb.console.publishing import views as publishing_views
from brokerweb.console.queues import actions as queue_actions
from brokerweb.console.queues import views as queue_views
from brokerweb.console.records import actions as record_actions
from brokerweb.console.records import views as record_views
from brokerweb.console.retrying import views as retrying_views
from brokerweb.console.schemas import actions as schema_actions
from brokerweb.console.schemas import views as schema_views
from brokerweb.console.search import views as search_views
from brokerweb.console.signin import actions as signin
from brokerweb.console.signin import invitation, oidc
from brokerweb.console.signin import views as signin_views
from brokerweb.console.streams import actions as stream_actions
from brokerweb.console.streams import views as stream_views
from brokerweb.console.stuck import views as stuck_views
from brokerweb.console.suggestions import views as suggestion_views
from brokerweb.console.tokens import actions as token_actions
from brokerweb.console.tokens import views as token_views
from brokerweb.console.topics import actions as topic_actions
from brokerweb.console.topics import views as topic_views
from brokerweb.console.users import actions as user_actions
from brokerweb.console.users import views as user_views
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
PLACES, TEMPLATE = (("queue", QUEUE), ("stream", STREAM), ("topic", TOPIC)), "connect/templates/<row_id:template_id>/delete"
MESSAGE = f"{QUEUE}/messages/<row_id:message_id>"
RECORD = f"{STREAM}/records/<row_id:partition>/<row_id:offset>"
GROUP = f"{STREAM}/groups/<a_name:group>"
DEAD_IN_GROUP = f"{GROUP}/dead/<row_id:message_id>"

app_name = "brokerweb_console"
urlpatterns = [
    # signing in and out
    path("sign-in", signin.password, name="signin"),
    path("sign-in/oidc", oidc.begin, name="oidc"),
    path("sign-in/oidc/back", oidc.back, name="oidc-back"),
    path("sign-in/oidc/link", signin.link_account, name="oidc-link"),
    path("account", signin_views.account, name="account"),
    path("account/unlink", signin.unlink, name="unlink"),
    path("sign-in/<str:code>", signin.link, name="signin-link"),
    path("sign-out", signin.out, name="signout"),
    path("invitation/<str:code>", invitation.accept, name="invitation"),
    path("environment.css", stylesheet, name="environment"),
    path("news", news_views.news, name="news"),
    # the overview
    path("", overview_views.overview, name="overview"),
    path("theme", overview_actions.theme, name="theme"),
    path("zone", overview_actions.zone, name="zone"),
    path("marks", overview_actions.mark, name="marks"),
    path("first-steps/hide", overview_actions.hide_steps, name="hide-steps"),
    # lists: how they look, and views of them
    path("lists/look", list_actions.look, name="list-look"),
    path("lists/views", list_actions.save, name="save-view"),
    path("lists/views/<row_id:view_id>", list_actions.change, name="change-view"),
    path("lists/views/<row_id:view_id>/delete", list_actions.delete, name="delete-view"),
    path("destinations", suggestion_views.destinations, name="destinations"),
    path("zones", suggestion_views.zones, name="zones"),
    path("palette", palette_views.palette, name="palette"),
    # what stands still, what is tried again, and search
    path("stuck", stuck_views.stuck, name="stuck"),
    path("retrying", retrying_views.retrying, name="retrying"),
    path("search", search_views.search, name="search"),
    # alerts
    path("alerts", alert_views.alert_list, name="alerts"),
    path("new/alert-rule", alert_actions.new_rule, name="new-alert-rule"),
    path("alerts/rules/<a_name:name>", alert_actions.rule, name="alert-rule"),
    path("alerts/rules/<a_name:name>/delete", alert_actions.delete_rule, name="delete-alert-rule"),
    path("new/alert-channel", alert_actions.new_channel, name="new-alert-channel"),
    path("alerts/channels/<a_name:name>", alert_actions.channel, name="alert-channel"),
    path("alerts/channels/<a_name:name>/test", alert_actions.try_channel, name="try-alert-channel"),
    path("alerts/channels/<a_name:name>/delete", alert_actions.delete_channel, name="delete-alert-channel"),
    path("alerts/silences", alert_actions.begin_silence, name="begin-alert-silence"),
    path("alerts/silences/<row_id:number>/end", alert_actions.end_silence, name="end-alert-silence"),
    path("exports/<slug:what>", export_views.export, name="export"),
    # queues
    path("queues", queue_views.queues, name="queues"),
    path("new/queue", queue_actions.new_queue, name="new-queue"),
    path(QUEUE, queue_views.queue, name="queue"),
    path(f"{QUEUE}/consumers", queue_views.consumers, name="consumers"),
    path(f"{QUEUE}/in-flight", queue_views.in_flight, name="in-flight"),
    path(f"{QUEUE}/failures", failure_views.of_queue, name="queue-failures"),
    path(f"{QUEUE}/settings", queue_actions.settings, name="settings"),
    path(f"{QUEUE}/pause", queue_actions.pause, name="pause"),
    path(f"{QUEUE}/resume", queue_actions.resume, name="resume"),
    path(f"{QUEUE}/resume/undo", queue_actions.undo_resume, name="undo-resume"),
    path(f"{QUEUE}/purge", queue_actions.purge, name="purge"),
    path(f"{QUEUE}/delete", queue_actions.delete, name="delete"),
    # publishing, and connecting programs
    path(f"{QUEUE}/connect", publishing_views.queue, name="connect"),
    path(f"{STREAM}/connect", publishing_views.stream, name="stream-connect"),
    path(f"{TOPIC}/connect", publishing_views.topic, name="topic-connect"),
    path(f"{QUEUE}/publish", publishing_actions.publish, name="publish"),
    path(f"{STREAM}/append", publishing_actions.append, name="append"),
    path(f"{TOPIC}/publish", publishing_actions.publish_to_topic, name="topic-publish"),
    *(path(f"{at}/connect/token", publishing_actions.make_token, {"kind": kind}, name="connect-token") for kind, at in PLACES),
    *(path(f"{at}/connect/file", publishing_actions.publish_file, {"kind": kind}, name="publish-file") for kind, at in PLACES),
    *(path(f"{at}/connect/waiting", publishing_views.waiting, {"kind": kind}, name="waiting") for kind, at in PLACES),
    *(
        path(f"{at}/{TEMPLATE}", publishing_actions.forget_template, {"kind": kind}, name="forget-template")
        for kind, at in PLACES
    ),
    # messages
    path(f"{QUEUE}/messages", message_views.messages, name="messages"),
    path(f"{QUEUE}/live", message_views.live, name="queue-live"),
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
    path(f"{STREAM}/failures", failure_views.of_stream, name="stream-failures"),
    path(f"{STREAM}/settings", stream_actions.settings, name="stream-settings"),
    path(f"{STREAM}/replay", stream_actions.replay, name="replay"),
    path(f"{STREAM}/delete", stream_actions.delete, name="delete-stream"),
    # records
    path(f"{STREAM}/records", record_views.records, name="records"),
    path(f"{STREAM}/live", record_views.live, name="stream-live"),
    path(RECORD, record_views.record, name="record"),
    path(f"{RECORD}/body", record_views.body, name="record-body"),
    path(f"{RECORD}/redact", record_actions.redact, name="redact-record"),
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
    path("map", map_views.flow_map, name="map"),
    path("new/topic", topic_actions.new_topic, name="new-topic"),
    path(TOPIC, topic_views.topic, name="topic"),
    path(f"{TOPIC}/bindings", topic_actions.bind, name="bindings"),
    path(f"{TOPIC}/unbind", topic_actions.unbind, name="unbind"),
    path(f"{TOPIC}/unbind/undo", topic_actions.undo_unbind, name="undo-unbind"),
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
    path("audit", audit_views.audit, name="audit"),
    path("masks", mask_actions.change, name="masks"),
    path("schemas", schema_views.schema_list, name="schemas"),
    path("new/schema", schema_actions.new_schema, name="new-schema"),
    path("schemas/<a_name:name>", schema_actions.schema, name="schema"),
    path("schemas/<a_name:name>/source", schema_views.source, name="schema-source"),
    path("schemas/<a_name:name>/delete", schema_actions.delete, name="delete-schema"),
    path("definitions", definition_actions.definitions, name="definitions"),
    path("definitions.json", definition_views.download, name="definitions-file"),
    # people
    path("users", user_views.users, name="users"),
    path("new/user", user_actions.new_user, name="new-user"),
    path("users/<str:person>", user_actions.user, name="user"),
    path("users/<str:person>/invite", user_actions.invite, name="invite"),
    path("users/<str:person>/unlink", user_actions.unlink, name="unlink-user"),
    path("users/<str:person>/delete", user_actions.delete, name="delete-user"),
    path("access", access_views.access, name="access"),
    # tokens
    path("tokens", token_views.tokens, name="tokens"),
    path("new/token", token_actions.new_token, name="new-token"),
    path("tokens/<row_id:token_id>", token_views.token, name="token"),
    path("tokens/<row_id:token_id>/revoke", token_actions.revoke, name="revoke"),
]
own(urlpatterns)
