from django.apps import AppConfig


class ConnectingConfig(AppConfig):
    name = "connecting"

    def ready(self) -> None:
        from connecting import receivers  # noqa: F401
