"""Every path of the API and the view behind it: one table for Django's urls and for the OpenAPI document."""

from __future__ import annotations

from brokerweb.faces.rest.base import ApiView
from brokerweb.faces.rest.connections import ConnectionsView, ConnectionView
from brokerweb.faces.rest.groups import DeadView, GroupsView, GroupView, RedriveDeadView, SeekView, UndoView
from brokerweb.faces.rest.hot_calls import Hot
from brokerweb.faces.rest.jobs import JobsView, JobView, ReplayView
from brokerweb.faces.rest.messages import MessagesView, MessageView, PurgeView, RedriveView, RequeueView
from brokerweb.faces.rest.queues import PauseView, QueuesView, QueueView, ResumeView
from brokerweb.faces.rest.streams import LiveView, StreamsView, StreamView
from brokerweb.faces.rest.tokens import TokensView, TokenView
from brokerweb.faces.rest.topics import RouteView, TopicsView, TopicView

# A path alone has nothing but hot calls.
_PATHS: tuple[tuple[str, type[ApiView]] | str, ...] = (
    ("queues", QueuesView),
    ("queues/{q}", QueueView),
    ("queues/{q}/messages", MessagesView),
    "queues/{q}/raw",
    "queues/{q}/receive",
    "queues/{q}/settle",
    ("queues/{q}/messages/{id}", MessageView),
    ("queues/{q}/messages/{id}/requeue", RequeueView),
    ("queues/{q}/pause", PauseView),
    ("queues/{q}/resume", ResumeView),
    ("queues/{q}/purge", PurgeView),
    ("queues/{q}/redrive", RedriveView),
    ("streams", StreamsView),
    ("streams/{s}", StreamView),
    "streams/{s}/records",
    ("streams/{s}/live", LiveView),
    ("streams/{s}/replay", ReplayView),
    ("streams/{s}/groups", GroupsView),
    ("streams/{s}/groups/{g}", GroupView),
    "streams/{s}/groups/{g}/commit",
    ("streams/{s}/groups/{g}/seek", SeekView),
    ("streams/{s}/groups/{g}/undo", UndoView),
    "streams/{s}/groups/{g}/receive",
    "streams/{s}/groups/{g}/settle",
    ("streams/{s}/groups/{g}/dead", DeadView),
    ("streams/{s}/groups/{g}/redrive", RedriveDeadView),
    ("topics", TopicsView),
    ("topics/{t}", TopicView),
    "topics/{t}/messages",
    ("topics/{t}/route", RouteView),
    "transact",
    ("jobs", JobsView),
    ("jobs/{id}", JobView),
    ("tokens", TokensView),
    ("tokens/{id}", TokenView),
    ("connections", ConnectionsView),
    ("connections/{id}", ConnectionView),
)


def _view(entry: tuple[str, type[ApiView]] | str) -> tuple[str, type[ApiView] | Hot]:
    path, others = (entry, None) if isinstance(entry, str) else entry
    hot = Hot(path, others)
    return path, hot if hot.operations or others is None else others


ROUTES = tuple(map(_view, _PATHS))
