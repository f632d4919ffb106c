"""Node: a process that serves, and when it was last seen alive."""

from __future__ import annotations

from django.db import models

from brokerweb.storage.fields import InstantField


class Node(models.Model):
    """``seen_at`` is written every few seconds: at the next start it says how long nobody was there."""

    name = models.CharField(max_length=64, primary_key=True)
    presence = models.CharField(max_length=400)  # which process it is, while it runs; empty after a clean end
    started_at = InstantField()
    seen_at = InstantField()

    def __str__(self) -> str:
        return self.name
