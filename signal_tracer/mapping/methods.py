"""Methods of Django's by what they do: to one row, to many, to what is related, to a signal."""

from __future__ import annotations

OF_USERS = ("create_user", "create_superuser")
SENDING = frozenset(("send", "send_robust", "asend", "asend_robust"))
SAME_ROWS = frozenset(
    (
        *("all", "filter", "exclude", "order_by", "using", "select_related", "prefetch_related"),
        *("only", "defer", "distinct", "annotate", "alias", "select_for_update", "reverse"),
        *("union", "intersection", "difference", "none", "extra", "get_queryset", "db_manager"),
        *("complex_filter", "iterator", "aiterator"),
    )
)
ONE_ROW = frozenset(
    (
        *("get", "first", "last", "latest", "earliest", "aget", "afirst", "alast", "alatest"),
        *("aearliest",),
    )
)
# The last is private, and the same in Django 5.2, 6.0 and 6.1.
BULK = frozenset(
    (
        *("update", "aupdate", "bulk_create", "abulk_create", "bulk_update", "abulk_update"),
        *("_raw_delete",),
    )
)
CREATE = frozenset(("create", "acreate"))
PERHAPS_CREATE = frozenset(
    ("get_or_create", "aget_or_create", "update_or_create", "aupdate_or_create")
)
SAVE = frozenset(("save", "asave"))
DELETE = frozenset(("delete", "adelete"))
CHANGE_RELATED = frozenset(("add", "remove", "set", "clear", "aadd", "aremove", "aset", "aclear"))
LATER = frozenset(
    (
        *("delay", "apply_async", "enqueue", "aenqueue", "delay_on_commit"),
        *("apply_async_on_commit", "defer_async", "send_task"),
    )
)
_OF_ROWS = BULK | CREATE | PERHAPS_CREATE | SAVE | DELETE | CHANGE_RELATED
SYNC_NAMES = {name: name[1:] for name in _OF_ROWS if name[0] == "a" and name[1:] in _OF_ROWS}
"""Of Django's async methods, which call these and do no more."""
# Of a task, too: what runs it here and now, and what returns it with other settings.
AT_ONCE = frozenset(("apply", "call"))
SIGNATURES = frozenset(("s", "si", "signature", "using"))
# Not a method: the managers that every model has, in Django 5.2, 6.0 and 6.1.
MANAGERS = ("objects", "_default_manager", "_base_manager")
