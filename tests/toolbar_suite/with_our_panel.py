"""Settings for the toolbar's own tests: theirs, with our panel among the panels.

``nox -s toolbar_suite`` runs them in the folder of the toolbar's sdist. What a test expects is
changed in one place only, the list of all panels; and one test is left out, which spells the list
of all apps with static files.
"""

from unittest import TestSuite

from debug_toolbar.settings import PANELS_DEFAULTS
from django.test.runner import DiscoverRunner
from django.test.utils import iter_test_cases
from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

LEFT_OUT = ("tests.panels.test_staticfiles.StaticFilesPanelTestCase.test_default_case",)

INSTALLED_APPS = [*INSTALLED_APPS, "signal_tracer"]
DEBUG_TOOLBAR_PANELS = [*PANELS_DEFAULTS, "signal_tracer.panel.SignalTracerPanel"]
# Here the toolbar is the project, and what our checks say of it is not what it asks its own.
SIGNAL_TRACER = {"IGNORE_FINDINGS": ["undocumented-receiver", "unheard-signal"]}
TEST_RUNNER = "with_our_panel.Runner"


class Runner(DiscoverRunner):
    def build_suite(self, *args, **kwargs):
        from tests.panels.test_history import HistoryViewsTestCase

        HistoryViewsTestCase.PANEL_KEYS.add("SignalTracerPanel")
        suite = super().build_suite(*args, **kwargs)
        kept = [test for test in iter_test_cases(suite) if test.id() not in LEFT_OUT]
        assert len(kept) == suite.countTestCases() - len(LEFT_OUT), "left out what is not there"
        return TestSuite(kept)
