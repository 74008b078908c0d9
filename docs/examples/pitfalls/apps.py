from django.apps import AppConfig


class PitfallsConfig(AppConfig):
    name = "pitfalls"

    def ready(self) -> None:
        from pitfalls import receivers  # noqa: F401
