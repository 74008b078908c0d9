"""Files and lines: as links that open an editor, or as text to be copied whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import quote

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from signal_tracer.conf import EDITORS
from signal_tracer.panel.words import gettext, text, visible
from signal_tracer.records import Location
from signal_tracer.wording import short_path


@dataclass(frozen=True, slots=True)
class Locations:
    """Shows locations; ``editor`` is what ``SIGNAL_TRACER["EDITOR"]`` holds."""

    editor: str | None

    def show(self, location: Location | None) -> SafeString:
        """``shop/receivers.py:12 in send_receipt``; file and line are one piece of text.

        It breaks behind its slashes, where it has to: not in the midst of a number.
        """
        if location is None:
            return format_html("{}", gettext("not recorded"))
        line = text(f"{short_path(location.file)}:{location.line}").replace("/", "/<wbr>")
        target = self.link(location)
        return format_html(
            '<a href="{}" class="sigtr-place"><bdi>{}</bdi></a> {}'
            if target
            else '<bdi class="sigtr-place" title="{}">{}</bdi> {}',
            target or visible(f"{location.file}:{location.line}"),
            mark_safe(line),
            gettext("in %(function)s") % {"function": visible(location.function)},
        )

    def link(self, location: Location) -> str | None:
        """What opens ``location`` in the editor; ``None`` without one, or without a real file."""
        if not self.editor or location.file.startswith("<"):  # "<string>", "<frozen …>"
            return None
        template = EDITORS.get(self.editor, self.editor)
        # Not str.format(): a file name is data, and braces in it mean nothing.
        file = quote(os.path.abspath(location.file), safe="/:\\")
        return template.replace("{line}", str(location.line)).replace("{file}", file)
