from django.apps import AppConfig


class ScenariosConfig(AppConfig):
    name = "scenarios"

    def ready(self) -> None:
        from scenarios.fragile import connect_notice, kiln_opened

        connect_notice(kiln_opened)
