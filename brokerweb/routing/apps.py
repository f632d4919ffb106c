from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "brokerweb.routing"
    label = "brokerweb_routing"
    default_auto_field = "django.db.models.BigAutoField"
