"""What did not wait for a commit, or waits for another's; what was read or saved too early."""

from __future__ import annotations

from typing import Any

import pytest
from telling import POST_SAVE, at, call, queries, saved, sent, traced

from signal_tracer.findings import Finding
from signal_tracer.records import (
    Dispatch,
    Errand,
    OnCommit,
    Owner,
    Query,
    ReceiverCall,
    Summary,
    Unheard,
)

PRE_SAVE = "django.db.models.signals.pre_save"
POST_DELETE = "django.db.models.signals.post_delete"
M2M_CHANGED = "django.db.models.signals.m2m_changed"
INSIDE: dict[str, Any] = {"in_atomic": ("default",)}
TASK = Errand("task", "shop.tasks.index", at(9))
ORDER = "shop.Order(pk=3)"


def findings(*dispatches: Dispatch, **contents: Any) -> list[Finding]:
    return traced(*dispatches, **contents).findings()


def only(*dispatches: Dispatch, **contents: Any) -> Finding:
    [finding] = findings(*dispatches, **contents)
    return finding


# Before the commit


@pytest.mark.parametrize(
    ("errand", "did"),
    [
        (TASK, "queued the task shop.tasks.index"),
        (Errand("thread", "shop.work", at(9)), "started shop.work in a thread or process"),
        (Errand("mail", "django.core.mail.EmailMessage", at(9)), "sent a mail"),
        (Errand("network", "api.example", at(9)), "called the server api.example"),
    ],
    ids=lambda each: each.kind if isinstance(each, Errand) else "",
)
def test_what_does_not_wait_for_the_commit_is_told(errand: Errand, did: str) -> None:
    finding = only(saved(ORDER, call(errands=[errand]), **INSIDE))

    assert (finding.level, finding.slug) == ("warning", "before-commit")
    assert finding.message == (
        f"shop.receivers.index {did} at shop/receivers.py:9 during {POST_SAVE} from shop.Order, "
        "inside atomic() on default: before the commit."
    )
    assert finding.advice == ("In shop.receivers.index, hand it over with transaction.on_commit().")
    assert finding.location == at(9)


def test_it_is_the_commit_of_its_own_database_that_it_has_to_wait_for() -> None:
    finding = only(saved(ORDER, call(errands=[TASK]), in_atomic=("logs",)))

    assert "transaction.on_commit(..., using='logs')" in finding.advice


def test_the_same_for_many_rows_is_one_finding() -> None:
    rows = [saved(f"shop.Order(pk={pk})", call(errands=[TASK]), **INSIDE) for pk in range(3)]

    assert only(*rows).count == 3


def test_of_a_deletion_it_is_for_information() -> None:
    finding = only(sent(call(errands=[TASK]), signal=POST_DELETE, **INSIDE))

    assert (finding.level, finding.slug) == ("info", "work-in-transaction")


@pytest.mark.parametrize(
    "changes",
    [{}, {"signal": "django.db.models.signals.post_init", **INSIDE}],
    ids=["outside of atomic()", "of an instance"],
)
def test_where_nothing_is_to_be_committed_nothing_is_early(changes: dict[str, Any]) -> None:
    assert findings(saved(ORDER, call(errands=[TASK]), **changes)) == []


def test_what_was_rolled_back_is_told_as_lost() -> None:
    wrote = queries("INSERT INTO shop_log", is_write=True)
    dispatch = saved(ORDER, call(errands=[TASK], queries=wrote), **INSIDE, rolled_back=("default",))

    # Though it wrote a row as well, which alone would be undone with the rest.
    assert [each.slug for each in findings(dispatch)] == ["lost-on-rollback"]
    assert findings(saved(ORDER, call(queries=wrote), **INSIDE, rolled_back=("default",))) == []


def test_a_thread_that_a_package_starts_for_itself_is_the_packages() -> None:
    place = at(7, "/x/site-packages/reporting/transport.py")
    owners = {place.file: Owner("package", "reporting")}
    finding = only(
        saved(ORDER, call(errands=[Errand("thread", "worker", place)]), **INSIDE), owners=owners
    )

    assert (finding.level, finding.owner.name) == ("info", "reporting")


# In tests


def waiting(**changes: Any) -> OnCommit:
    return OnCommit("shop.receivers.mail", **{"waits_for_test": True, **changes})


def test_a_callback_that_waits_for_a_test_is_told_with_how_to_run_it() -> None:
    finding = only(saved(ORDER, call(on_commit=[waiting()])))

    assert (finding.level, finding.slug) == ("info", "waits-for-test")
    assert "shop.receivers.mail" in finding.message
    assert "self.captureOnCommitCallbacks(execute=True)" in finding.advice
    assert "TransactionTestCase" in finding.advice


def test_the_block_that_collects_them_is_told_which_database() -> None:
    finding = only(saved(ORDER, call(on_commit=[waiting(alias="logs")])))

    assert "captureOnCommitCallbacks(using='logs', execute=True)" in finding.advice


def test_one_that_the_end_of_the_test_threw_away_did_not_run_either() -> None:
    assert only(saved(ORDER, call(on_commit=[waiting(outcome="discarded")]))).slug == (
        "waits-for-test"
    )


@pytest.mark.parametrize(
    "callback",
    [
        waiting(waits_for_test=False),
        waiting(outcome="ran", ran_at=0.5),
        waiting(outcome="raised", ran_at=0.5),
    ],
    ids=["of the code", "ran", "raised"],
)
def test_callbacks_that_wait_for_no_test_are_not_told(callback: OnCommit) -> None:
    found = findings(saved(ORDER, call(on_commit=[callback])))

    assert [each for each in found if each.slug == "waits-for-test"] == []


# After the commit


def after_commit(outcome: Any, at: float | None = None, **changes: Any) -> OnCommit:
    changes = {"alias": "default", "registered_at": 0.1, **changes}
    return OnCommit(f"shop.tasks.{outcome}", outcome=outcome, ran_at=at, **changes)


def test_a_callback_that_raised_is_told_with_those_that_did_not_run() -> None:
    callbacks = [
        after_commit("ran", 0.4),
        after_commit("raised", 0.5),
        after_commit("not_run"),
        after_commit("not_run", alias="other"),
        after_commit("discarded"),
    ]
    finding = only(saved(ORDER, call(on_commit=callbacks)))

    assert (finding.level, finding.slug) == ("error", "callback-raised")
    assert finding.message == (
        "shop.tasks.raised, which shop.receivers.index registered with on_commit(), raised after "
        "the commit: what was saved stays. Not run because of it: shop.tasks.not_run."
    )


def test_a_callback_that_django_logged_is_not_said_to_end_the_others() -> None:
    callbacks = [after_commit("raised", 0.5, was_logged=True), after_commit("ran", 0.6)]
    finding = only(saved(ORDER, call(on_commit=callbacks)))

    assert (finding.level, finding.slug) == ("error", "callback-raised")
    assert finding.message == (
        "shop.tasks.raised, which shop.receivers.index registered with on_commit(..., "
        "robust=True), raised after the commit: Django logged it and went on with the others, and "
        "what was saved stays."
    )
    assert finding.why == (
        "Only the log of django.db.backends.base knows: whoever saved goes on as if the callback "
        "had done its work."
    )
    assert finding.advice == (
        "Handle in shop.tasks.raised what can fail, and leave what must not be lost to a task that "
        "is tried again (Celery, Django's tasks)."
    )


def test_a_callback_that_ended_the_others_is_told_of_robust() -> None:
    finding = only(saved(ORDER, call(on_commit=[after_commit("raised", 0.5)])))

    assert "It ends the callbacks after it, which Django forgets" in finding.why
    assert finding.advice.endswith(
        "With on_commit(..., robust=True) Django logs the exception, and runs the others."
    )


def test_what_did_not_run_is_told_of_the_commit_that_it_belonged_to() -> None:
    first = call(on_commit=[after_commit("raised", 0.5), after_commit("not_run")])
    second = call("shop.receivers.mail", on_commit=[after_commit("raised", 0.9, registered_at=0.7)])

    found = findings(saved(ORDER, first), saved("shop.Order(pk=4)", second))

    assert [(each.names[0], "Not run" in each.message) for each in found] == [
        ("shop.receivers.index", True),
        ("shop.receivers.mail", False),
    ]


@pytest.mark.parametrize("outcome", ["ran", "waiting", "discarded", "not_run"])
def test_callbacks_that_did_not_raise_are_not_told(outcome: str) -> None:
    assert findings(saved(ORDER, call(on_commit=[after_commit(outcome)]))) == []


# Other databases


def on(using: str, instance: str = ORDER) -> dict[str, Any]:
    return {"kwargs": {"instance": Summary(instance), "created": True, "using": using}}


READ = 'SELECT "shop_order"."id" FROM "shop_order" WHERE "shop_order"."id" = %s'


def test_a_row_that_is_looked_for_in_another_database_is_told() -> None:
    finding = only(saved(ORDER, call(queries=[Query(READ, "default")]), **on("logs")))

    assert (finding.level, finding.slug) == ("warning", "other-database")
    assert finding.message == (
        "shop.receivers.index ran for a row of shop.Order on logs, and read the same table on "
        f"default: {READ}"
    )
    assert "Order.objects.using(using)" in finding.advice


def test_a_row_that_is_joined_in_another_database_is_told() -> None:
    sql = 'SELECT 1 FROM "shop_line" INNER JOIN "shop_order" ON (1 = 1)'

    assert only(saved(ORDER, call(queries=[Query(sql, "replica")]), **on("default"))).slug == (
        "other-database"
    )


def test_many_calls_are_one_finding_of_other_databases() -> None:
    rows = [
        saved(ORDER, call(queries=[Query(READ, "replica")] * 2), **on("default")) for _ in range(3)
    ]

    assert only(*rows).count == 3


@pytest.mark.parametrize(
    ("sql", "alias"),
    [(READ, "logs"), ('SELECT 1 FROM "shop_orderline"', "default"), ("SELECT 1", "default")],
    ids=["of its own", "another table", "no table"],
)
def test_what_a_receiver_may_well_ask_for_is_not_told(sql: str, alias: str) -> None:
    assert findings(saved(ORDER, call(queries=[Query(sql, alias)]), **on("logs"))) == []


def test_a_receiver_that_keeps_a_copy_looks_for_it_where_it_writes_it() -> None:
    copy = saved(ORDER, call("shop.receivers.log", defined_at=at(12)), **on("logs"))
    reading = call(queries=[Query(READ, "logs")], dispatches=[copy])

    assert findings(saved(ORDER, reading, **on("default"))) == []


def test_a_callback_of_another_database_than_the_rows_is_told() -> None:
    callback = OnCommit("shop.receivers.mail", "default", outcome="ran", ran_at=0.1)
    finding = only(saved(ORDER, call(on_commit=[callback]), **on("logs"), in_atomic=("logs",)))

    assert (finding.level, finding.slug) == ("warning", "other-database")
    assert "on_commit() on default: it did not wait for the commit of the row" in finding.message
    assert "transaction.on_commit(..., using=using)" in finding.advice


def test_a_callback_that_waits_for_another_transaction_is_told() -> None:
    callback = OnCommit("shop.receivers.mail", "default")
    finding = only(saved(ORDER, call(on_commit=[callback]), **on("logs"), in_atomic=("logs",)))

    assert "it waits for another commit than that of the row" in finding.message


@pytest.mark.parametrize(
    ("alias", "in_atomic", "wrote"),
    [("logs", ("logs",), False), ("default", (), False), ("default", ("logs",), True)],
    ids=["the row's", "no transaction", "wrote there"],
)
def test_a_callback_that_waits_for_the_right_commit_is_not_told(
    alias: str, in_atomic: tuple[str, ...], wrote: bool
) -> None:
    written = [Query('INSERT INTO "shop_log"', "default", is_write=True)] if wrote else []
    receiver = call(on_commit=[OnCommit("shop.receivers.mail", alias)], queries=written)
    slugs = [
        each.slug for each in findings(saved(ORDER, receiver, **on("logs"), in_atomic=in_atomic))
    ]

    assert "other-database" not in slugs


def test_a_receiver_of_migrate_has_no_row_to_wait_for() -> None:
    callback = OnCommit("shop.receivers.mail", "default", outcome="ran", ran_at=0.1)
    receiver = call(on_commit=[callback])
    kwargs = {"kwargs": {"using": "logs"}, "in_atomic": ("logs",)}

    assert findings(sent(receiver, signal="django.db.models.signals.post_migrate", **kwargs)) == []
    assert findings(sent(receiver, signal=PRE_SAVE, **kwargs)) != []


# Relations that are set afterwards

READ_TAGS = (
    'SELECT "shop_tag"."id" FROM "shop_tag" INNER JOIN "shop_order_tags" ON '
    '("shop_tag"."id" = "shop_order_tags"."tag_id") WHERE "shop_order_tags"."order_id" = %s'
)


def tagged(instance: str = ORDER, **changes: Any) -> Dispatch:
    kwargs = {"instance": Summary(instance), "action": "post_add", "using": "default"}
    defaults = {"signal": M2M_CHANGED, "sender": "shop.Order_tags", "kwargs": kwargs}
    return sent(call("shop.other"), **{**defaults, "started_at": 1.0, **changes})


def reading(sql: str = READ_TAGS) -> ReceiverCall:
    return call(queries=queries(sql))


def test_a_relation_that_is_read_before_it_is_set_is_told() -> None:
    finding = only(saved(ORDER, reading()), tagged())

    assert (finding.level, finding.slug) == ("warning", "m2m-too-early")
    assert finding.message == (
        f"shop.receivers.index read shop.Order_tags during {POST_SAVE} for {ORDER}, and its rows "
        "were changed only afterwards."
    )
    assert "sender=shop.Order_tags" in finding.advice


def test_a_relation_of_a_new_row_that_nobody_hears_of_is_told() -> None:
    unheard = [Unheard(M2M_CHANGED, "shop.Order_tags", 2)]

    assert only(saved(ORDER, reading(), **on("default")), unheard=unheard).slug == "m2m-too-early"


def test_a_relation_that_is_read_from_its_other_side_is_told() -> None:
    sql = READ_TAGS.replace('"order_id" = %s', '"tag_id" = %s')
    tag = "shop.Tag(pk=1)"

    assert only(saved(tag, reading(sql)), tagged(tag)).slug == "m2m-too-early"


@pytest.mark.parametrize(
    ("dispatches", "unheard"),
    [
        ([saved(ORDER, reading()), tagged("shop.Order(pk=4)")], []),
        ([tagged(started_at=0.0), saved(ORDER, reading(), started_at=1.0)], []),
        ([saved(ORDER, reading())], [Unheard(M2M_CHANGED, "shop.Order_tags", 2)]),
        ([saved(ORDER, reading(READ_TAGS.replace("order_id", "tag_id"))), tagged()], []),
        ([saved(ORDER, reading())], []),
    ],
    ids=["of another row", "set before", "of an old row", "of all rows", "never set"],
)
def test_a_relation_that_may_be_read_is_not_told(
    dispatches: list[Dispatch], unheard: list[Unheard]
) -> None:
    assert findings(*dispatches, unheard=unheard) == []


# Fields that are not saved


def in_part(*fields: str, **changes: Any) -> Dispatch:
    kwargs = {"instance": Summary(ORDER), "update_fields": Summary("frozenset({'status'})")}
    defaults = {"signal": PRE_SAVE, "kwargs": kwargs, "left_out": fields}
    return sent(call("shop.receivers.slugify"), **{**defaults, **changes})


def test_a_field_that_was_changed_and_not_saved_is_told() -> None:
    finding = only(in_part("slug"))

    assert (finding.level, finding.slug) == ("warning", "field-left-out")
    assert finding.message == (
        f"shop.receivers.slugify changed slug of {ORDER} in pre_save, and save(update_fields=...) "
        "at shop/views.py:30 did not write it."
    )


def test_a_field_that_was_deferred_is_not_said_to_want_update_fields() -> None:
    deferred, named = only(in_part("slug", was_deferred=True)), only(in_part("slug"))

    assert deferred.slug == "field-left-out"
    assert "update_fields" not in f"{deferred.message}{deferred.kind.why}{deferred.advice}"
    assert deferred.message.endswith("did not write it: it was deferred.")
    assert "deferred" not in named.message


@pytest.mark.parametrize("called", ["Order.objects.update_or_create", "shop.orders.save", None])
def test_a_field_is_to_be_given_in_the_defaults_where_there_are_some(called: str | None) -> None:
    finding = only(in_part("slug", called=called))

    assert ("Give slug in the defaults at shop/views.py:30" in finding.advice) is (
        called is not None and called.endswith("update_or_create")
    )


def test_a_field_that_somebody_sends_without_saving_is_none() -> None:
    assert findings(in_part("slug", called="signals.pre_save.send")) == []


def test_all_fields_that_were_left_out_are_named() -> None:
    assert "changed slug and title of" in only(in_part("slug", "title")).message


def test_the_same_line_is_told_once_for_all_its_rows() -> None:
    assert only(in_part("slug"), in_part("slug")).count == 2


def test_a_save_in_part_without_other_changes_is_none() -> None:
    assert findings(in_part()) == []


@pytest.mark.parametrize(
    ("sql", "is_told"),
    [
        ('UPDATE "shop_order" SET "slug" = %s WHERE "shop_order"."id" = %s', False),
        ('UPDATE "shop_order" SET "title" = %s, "slug" = %s WHERE "shop_order"."id" = %s', False),
        ('UPDATE "shop_order" SET "slug_id" = %s', False),
        ('UPDATE "shop_order" SET "title" = %s WHERE "shop_order"."slug" = %s', True),
        ('UPDATE "shop_log" SET "slug" = %s', True),
        ('SELECT "slug" FROM "shop_order"', True),
    ],
)
def test_a_field_that_the_receiver_updates_itself_is_not_left_out(sql: str, is_told: bool) -> None:
    save = in_part("slug")
    save.receiver_calls[0].queries += queries(sql)

    assert bool(findings(save)) is is_told


def test_of_several_fields_only_that_which_nobody_wrote_is_left_out() -> None:
    save = in_part("slug", "title")
    save.receiver_calls[0].queries += queries('UPDATE "shop_order" SET "slug" = %s')

    assert "changed title of" in only(save).message


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({"update_fields": Summary("frozenset({'slug'})")}, False),
        ({"update_fields": Summary("frozenset({'status'})")}, True),
        ({"update_fields": Summary("frozenset({'slug'})"), "instance": Summary("x(pk=9)")}, True),
    ],
)
def test_a_field_that_a_later_save_in_part_names_is_not_left_out(
    changes: dict[str, Any], is_told: bool
) -> None:
    later = in_part(kwargs={"instance": Summary(ORDER), **changes}, started_at=1.0)

    assert bool(findings(in_part("slug"), later)) is is_told


def test_a_field_that_a_later_save_of_the_whole_row_writes_is_not_left_out() -> None:
    whole = {"instance": Summary(ORDER), "update_fields": None}

    assert findings(in_part("slug"), in_part(kwargs=whole, started_at=1.0)) == []
