from django.apps import AppConfig


class SharingConfig(AppConfig):
    name = "brokerweb.sharing"
    label = "brokerweb_sharing"

    def ready(self) -> None:
        from brokerweb.sharing.groups import install

        install()
