"""Signal coverage: which of a project's connected receivers ran during a test run."""
