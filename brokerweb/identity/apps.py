from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "brokerweb.identity"
    label = "brokerweb_identity"
    default_auto_field = "django.db.models.BigAutoField"
