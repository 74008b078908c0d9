"""Which app connected a receiver, where its source or that of an AppConfig shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from signal_tracer.mapping.connectors import Connectors
from signal_tracer.records import Location
from signal_tracer.signal_map import MappedApp

DEF = "def hear(sender, **kwargs):\n    pass\n"


@pytest.mark.parametrize(
    ("receivers", "config", "expected"),
    [
        (f"@receiver(sold)\n{DEF}", "", "stall"),
        (f"@receiver(\n    [sold],\n)\n@other\n{DEF}", "", "stall"),
        (f"@dispatch.receiver(sold)\n{DEF}", "", "stall"),
        (f"{DEF}sold.connect(hear)\n", "", "stall"),
        (DEF, "sold.connect(receivers.hear, sender=Order)", "market"),
        (DEF, "sold.connect(\n    hear)", "market"),
        (DEF, "sold.connect(receivers.hear_more)", None),
        (DEF, "", None),
        (f"@other\n{DEF}\n@receiver(sold)\ndef next(): pass\n", "", None),
    ],
)
def test_who_connected_it(
    tmp_path: Path, receivers: str, config: str, expected: str | None
) -> None:
    module, apps = tmp_path / "receivers.py", tmp_path / "apps.py"
    module.write_text(receivers)
    apps.write_text(config)
    connectors = Connectors([MappedApp("market", "market", config_file=str(apps))])

    assert connectors.of(Location(str(module), 1, "hear"), "stall") == expected


def test_without_a_source_nobody_knows(tmp_path: Path) -> None:
    connectors = Connectors([])

    assert connectors.of(None, "stall") is None
    assert connectors.of(Location("<string>", 1, "hear"), "stall") is None
    assert connectors.of(Location(str(tmp_path / "no.py"), 1, "hear"), "stall") is None
