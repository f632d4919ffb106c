"""The forms of topics: settings, a binding, the dry run of a message."""

from __future__ import annotations

from typing import Any, Self

from django import forms

from brokerweb.console.broker_form import PLAIN, BrokerForm, ChangeForm, duration, name_field
from brokerweb.console.choosing import destination_field
from brokerweb.console.lines import headers_of
from brokerweb.core.settings import plain
from brokerweb.routing.models import Topic
from brokerweb.routing.settings import SETTINGS

UNROUTED = [("refuse", "Refuse it"), ("drop", "Drop it, and count")]


class TopicForm(ChangeForm):
    """A topic's settings, but for its bindings."""

    unrouted = forms.ChoiceField(required=False, label="What no binding matches", choices=UNROUTED)
    dedup_window = duration(SETTINGS["dedup_window"], label="Dedup window", help_text="Such as 5 min or 1 h.")

    @classmethod
    def of(cls, topic: Topic) -> Self:
        """The form with the topic's present settings."""
        return cls.showing({name: plain(getattr(topic, setting.column)) for name, setting in SETTINGS.items()})

    @classmethod
    def blank(cls) -> Self:
        """The form of a topic that does not exist yet: the defaults."""
        return cls(initial={name: plain(setting.default) for name, setting in SETTINGS.items()})

    def settings(self) -> dict[str, Any]:
        """What ``topics.declare`` takes."""
        return {"unrouted": self.cleaned_data["unrouted"] or None, "dedup_window": self.cleaned_data["dedup_window"]}


class NewTopicForm(TopicForm):
    """A topic to be made."""

    name = name_field()


class BindingForm(BrokerForm):
    """A binding to be added."""

    pattern = forms.CharField(
        required=False,
        help_text="orders.*.created: * is one word, # any number of them.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    to = destination_field("Copy to", help_text="queue:NAME or stream:NAME")
    headers = forms.CharField(
        required=False,
        label="Only with these headers",
        help_text="One a line, name: value; all of them.",
        widget=forms.Textarea(attrs={"rows": 2, "class": "mono", **PLAIN}),
    )

    FIELD_OF = {"conflict": "pattern"}

    def field_at(self, pointer: str) -> str:
        """Bindings are named by their place in the topic's list."""
        parts = pointer.strip("/").split("/")
        return parts[2] if parts[0] == "bindings" and len(parts) > 2 else super().field_at(pointer)

    def binding(self) -> dict[str, Any]:
        """The binding as requests have it. Raises Invalid."""
        given = self.cleaned_data
        return {"pattern": given["pattern"], "to": given["to"].strip(), "headers": headers_of(given["headers"]) or {}}


class RouteForm(BrokerForm):
    """What a message would be routed by."""

    routing_key = forms.CharField(required=False, widget=forms.TextInput(attrs=PLAIN))
    headers = forms.CharField(
        required=False, help_text="One a line, name: value.", widget=forms.Textarea(attrs={"rows": 2, "class": "mono", **PLAIN})
    )

    def asked(self) -> tuple[str, dict[str, str]]:
        """Routing key and headers. Raises Invalid."""
        return self.cleaned_data["routing_key"], headers_of(self.cleaned_data["headers"]) or {}
