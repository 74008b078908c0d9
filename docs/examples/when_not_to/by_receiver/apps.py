from django.apps import AppConfig


class ByReceiverConfig(AppConfig):
    name = "by_receiver"

    def ready(self) -> None:
        from by_receiver import receivers  # noqa: F401
