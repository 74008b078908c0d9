from django.apps import AppConfig


class CustomSignalsConfig(AppConfig):
    name = "custom_signals"

    def ready(self) -> None:
        from custom_signals import receivers  # noqa: F401
