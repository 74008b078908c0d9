from django.apps import AppConfig


class ByReceiverConfig(AppConfig):
    name = "when_not_to.by_receiver"

    def ready(self) -> None:
        from when_not_to.by_receiver import receivers  # noqa: F401
