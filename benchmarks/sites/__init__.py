"""Sites of real packages, and the pages that somebody who uses them asks for.

Each module has ``SETTINGS`` without the toolbar and without the tracer, ``URLS``, ``prepare()``,
which fills the new database, and ``visit(client)``, which asks for every page by its kind.
"""
