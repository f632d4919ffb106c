from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "brokerweb.identity"
    label = "brokerweb_identity"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from brokerweb.identity.users import note_epoch

        user_logged_in.connect(note_epoch, dispatch_uid="brokerweb.identity.epoch")
