from django.apps import AppConfig


class HandoutConfig(AppConfig):
    name = "brokerweb.handout"
    label = "brokerweb_handout"

    def ready(self) -> None:
        from brokerweb.handout.shared_groups import install

        install()
