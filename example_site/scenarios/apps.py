from django.apps import AppConfig


class ScenariosConfig(AppConfig):
    name = "scenarios"

    def ready(self) -> None:
        from scenarios import observer  # noqa: F401  # importing its receivers connects them
        from scenarios.fragile import connect_notice, kiln_opened

        connect_notice(kiln_opened)
