"""Django meets the package: the app, and the checks it registers."""

from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class SignalTracerConfig(AppConfig):
    name = "signal_tracer"
    verbose_name = _("Signal tracer")

    def ready(self) -> None:
        from signal_tracer.checks import check_setting, check_signal_map

        checks.register(check_setting, "signals")
        checks.register(check_signal_map, "signals")
