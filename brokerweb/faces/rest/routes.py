"""Every path of the API and the view behind it: one table for Django's urls and for the OpenAPI document."""

from __future__ import annotations

from brokerweb.faces.rest.base import ApiView
from brokerweb.faces.rest.connections import ConnectionsView, ConnectionView
from brokerweb.faces.rest.hot_calls import MESSAGES, RAW, RECEIVE, SETTLE, Hot
from brokerweb.faces.rest.jobs import JobsView, JobView, ReplayView
from brokerweb.faces.rest.messages import MessageView, PurgeView, RedriveView, RequeueView
from brokerweb.faces.rest.queues import PauseView, QueuesView, QueueView, ResumeView
from brokerweb.faces.rest.tokens import TokensView, TokenView

ROUTES: tuple[tuple[str, type[ApiView] | Hot], ...] = (
    ("queues", QueuesView),
    ("queues/{q}", QueueView),
    ("queues/{q}/messages", MESSAGES),
    ("queues/{q}/raw", RAW),
    ("queues/{q}/receive", RECEIVE),
    ("queues/{q}/settle", SETTLE),
    ("queues/{q}/messages/{id}", MessageView),
    ("queues/{q}/messages/{id}/requeue", RequeueView),
    ("queues/{q}/pause", PauseView),
    ("queues/{q}/resume", ResumeView),
    ("queues/{q}/purge", PurgeView),
    ("queues/{q}/redrive", RedriveView),
    ("streams/{s}/replay", ReplayView),
    ("jobs", JobsView),
    ("jobs/{id}", JobView),
    ("tokens", TokensView),
    ("tokens/{id}", TokenView),
    ("connections", ConnectionsView),
    ("connections/{id}", ConnectionView),
)
