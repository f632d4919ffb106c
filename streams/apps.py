from django.apps import AppConfig


class StreamsConfig(AppConfig):
    name = "brokerweb.streams"
    label = "brokerweb_streams"
    default_auto_field = "django.db.models.BigAutoField"
