"""Every path of the API and the view behind it: one table for Django's urls and for the OpenAPI document."""

from __future__ import annotations

from brokerweb.faces.rest.base import ApiView
from brokerweb.faces.rest.connections import ConnectionsView, ConnectionView
from brokerweb.faces.rest.hot_calls import Hot
from brokerweb.faces.rest.jobs import JobsView, JobView, ReplayView
from brokerweb.faces.rest.messages import MessagesView, MessageView, PurgeView, RedriveView, RequeueView
from brokerweb.faces.rest.queues import PauseView, QueuesView, QueueView, ResumeView
from brokerweb.faces.rest.tokens import TokensView, TokenView

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
    ("streams/{s}/replay", ReplayView),
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
