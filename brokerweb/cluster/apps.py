from django.apps import AppConfig


class ClusterConfig(AppConfig):
    name = "brokerweb.cluster"
    label = "brokerweb_cluster"
    default_auto_field = "django.db.models.BigAutoField"
