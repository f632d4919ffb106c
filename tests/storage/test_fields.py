"""Instants in models: what Django's own code does with them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import serializers
from django.core.exceptions import ValidationError

from brokerweb.queues.models import Content, Message, Queue
from tests.queues.bench import Bench

pytestmark = pytest.mark.django_db


def test_an_instant_that_was_read_is_valid() -> None:
    Bench().publish(1)
    message = Message.objects.get()
    message.clean_fields(exclude=[f.name for f in Message._meta.fields if f.name != "due_at"])
    message.content.clean_fields(exclude=[f.name for f in Content._meta.fields if f.name != "published_at"])


def test_what_was_dumped_can_be_loaded() -> None:
    Bench().publish(1, 2, ttl=60)
    before = list(Message.objects.order_by("pk"))
    for loaded in serializers.deserialize(
        "json", serializers.serialize("json", [*Queue.objects.all(), *before, *Content.objects.all()])
    ):
        loaded.save()
    for was, message in zip(before, Message.objects.order_by("pk"), strict=True):
        assert abs(was.published_at - message.published_at) < timedelta(milliseconds=1), "Django's JSON has no more"
        assert message.expires_at == message.due_at + timedelta(seconds=60)


def test_texts_filter_as_datetimes_do() -> None:
    Bench().publish(1)
    assert Message.objects.filter(content__published_at__gt="2020-01-01T00:00:00Z").count() == 1
    assert Message.objects.filter(content__published_at__lt="2020-01-01T00:00:00Z").count() == 0
    with pytest.raises(ValidationError):
        Message._meta.get_field("due_at").to_python("soon")
