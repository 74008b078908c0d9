from django.apps import AppConfig


class GoodHabitsConfig(AppConfig):
    name = "good_habits"

    def ready(self) -> None:
        from good_habits import receivers  # noqa: F401
