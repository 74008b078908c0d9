from django.apps import AppConfig


class WorkshopsConfig(AppConfig):
    name = "workshops"

    def ready(self) -> None:
        # Not workshops.announcements: that is the mistake of a scenario.
        from workshops import receivers  # noqa: F401  # importing them connects them
