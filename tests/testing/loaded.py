"""Which plugins a pytest of a test loads."""

SNAPSHOT_PLUGINS = ("syrupy", "inline_snapshot", "regressions", "pytest-datadir")
# What these tests have no use for, and what is slow to load.
QUICKLY = ("-p no:hypothesispytest", "-p no:anyio")
WITHOUT_SNAPSHOTS = tuple(f"-p no:{name}" for name in SNAPSHOT_PLUGINS)
