"""What handlers write."""

from django.db import models


class Parcel(models.Model):
    """A row for each message whose effect is there."""

    order = models.CharField(max_length=100)

    class Meta:
        app_label = "shop"
