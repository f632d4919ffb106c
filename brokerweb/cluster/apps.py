from django.apps import AppConfig

from brokerweb.core import clock


class ClusterConfig(AppConfig):
    name = "brokerweb.cluster"
    label = "brokerweb_cluster"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from brokerweb.cluster import wall

        clock.elsewhere(wall.difference_elsewhere)
