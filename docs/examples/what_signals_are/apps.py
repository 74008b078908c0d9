from django.apps import AppConfig


class WhatSignalsAreConfig(AppConfig):
    name = "what_signals_are"

    def ready(self) -> None:
        from what_signals_are import receivers  # noqa: F401
