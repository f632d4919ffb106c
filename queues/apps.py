from django.apps import AppConfig


class QueuesConfig(AppConfig):
    name = "brokerweb.queues"
    label = "brokerweb_queues"
    default_auto_field = "django.db.models.BigAutoField"
