"""What a receiver does with what it is sent, read from its source."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from threading import Thread
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.mail import send_mail
from django.db import models, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from shop.models import Order, Product
from signal_tracer.findings import over_signal_map
from signal_tracer.mapping import read_map

queue: list[object] = []
jobs: Any = None


class Parcel(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    class Meta:
        app_label = "parcels"


class Plain(models.Model):
    class Meta:
        app_label = "parcels"


OURS = frozenset(
    (
        *("key-never-none", "ignores-reverse", "ignores-action", "needs-pk-set"),
        *("work-in-transaction", "gone-after-delete"),
    )
)


@pytest.fixture
def said() -> Iterator[Callable[..., list[str]]]:
    """The slugs of these rules for a receiver while it is connected."""
    connected: list[Any] = []

    def connect(receiver: Any, signal: Any, sender: Any = None) -> list[str]:
        signal.connect(receiver, sender=sender)
        connected.append((signal, receiver, sender))
        found = over_signal_map(read_map()).shown
        return sorted(
            each.slug
            for each in found
            if each.slug in OURS and receiver.__qualname__ in each.names[0]
        )

    yield connect
    for signal, receiver, sender in connected:
        signal.disconnect(receiver, sender=sender)


Said = Callable[..., list[str]]

# Keys that are never None


def is_none(instance: Any, **kwargs: Any) -> None:
    if instance.pk is None:
        queue.append(1)


def has_none(**kwargs: Any) -> None:
    order = kwargs["instance"]
    if not order.id:
        queue.append(1)


def is_there(instance: Any, **kwargs: Any) -> Any:
    return 1 if instance.pk else 2


def for_some(sender: Any, instance: Any, **kwargs: Any) -> None:
    if sender is Plain and instance.pk is None:
        queue.append(1)


def adding(instance: Any, **kwargs: Any) -> None:
    if instance.pk is None or instance._state.adding:
        queue.append(1)


def uses_the_key(instance: Any, **kwargs: Any) -> None:
    queue.append(instance.name)
    print(instance.pk)


@pytest.mark.parametrize("receiver", [is_none, has_none, is_there])
def test_a_key_with_a_default_is_never_none(receiver: Any, said: Said) -> None:
    assert said(receiver, pre_save, Parcel) == ["key-never-none"]


@pytest.mark.parametrize(
    ("receiver", "signal", "sender"),
    [
        (is_none, pre_save, Plain),
        (for_some, pre_save, None),
        (adding, pre_save, Parcel),
    ],
    ids=[
        "a key of the database's",
        "any model, of which it picks some",
        "asks for adding as well",
    ],
)
def test_a_key_may_be_asked_for(receiver: Any, signal: Any, sender: Any, said: Said) -> None:
    assert "key-never-none" not in said(receiver, signal, sender)


def test_one_that_hears_every_model_is_told_of_one_with_such_a_key(said: Said) -> None:
    assert "key-never-none" in said(is_none, pre_save)


def test_to_use_a_key_is_not_to_ask_for_it(said: Said) -> None:
    assert "key-never-none" not in said(uses_the_key, pre_save, Parcel)


def test_it_names_what_to_ask_instead() -> None:
    pre_save.connect(is_none, sender=Parcel)
    try:
        [finding] = [each for each in over_signal_map(read_map()).shown if "Parcel" in each.message]
    finally:
        pre_save.disconnect(is_none, sender=Parcel)

    assert finding.level == "warning"
    assert "asks for instance.pk in pre_save of parcels.Parcel" in finding.message
    assert "instance._state.adding" in finding.advice


# What is new is asked where nothing is


def is_adding(instance: Any, **kwargs: Any) -> None:
    if instance._state.adding:
        queue.append(1)


def returns_unless_adding(**kwargs: Any) -> None:
    order = kwargs["instance"]
    if kwargs["raw"] or not order._state.adding:
        return
    queue.append(1)


def keeps_adding(instance: Any, **kwargs: Any) -> None:
    is_new = instance._state.adding
    queue.append(is_new)


def chooses_by_adding(instance: Any, **kwargs: Any) -> None:
    print("new" if instance._state.adding else "old")


def has_an_else(instance: Any, **kwargs: Any) -> None:
    if instance.pk:
        print(instance.pk)
    else:
        queue.append(1)


def returns_if_it_has_a_key(instance: Any, **kwargs: Any) -> None:
    if instance.id is not None:
        return
    queue.append(1)


@pytest.mark.parametrize(
    ("receiver", "asked"),
    [
        (is_none, "pk"),
        (has_none, "id"),
        (is_adding, "_state.adding"),
        (returns_unless_adding, "_state.adding"),
        (keeps_adding, "_state.adding"),
        (chooses_by_adding, "_state.adding"),
        (has_an_else, "pk"),
        (returns_if_it_has_a_key, "id"),
    ],
)
def test_after_a_save_no_row_is_new(receiver: Any, asked: str, said: Said) -> None:
    assert said(receiver, post_save, Plain) == ["key-never-none"]
    [finding] = [each for each in over_signal_map(read_map()).shown if "Plain" in each.message]
    assert f"asks for instance.{asked} in post_save of parcels.Plain" in finding.message
    assert "ask created" in finding.advice


def is_careful(instance: Any, **kwargs: Any) -> None:
    if instance.pk is None or kwargs["raw"]:
        return
    if instance.pk:
        queue.append(1)
    print(instance.pk and 1)


def looks_at_created(instance: Any, created: bool, **kwargs: Any) -> None:
    if created or instance._state.adding:
        queue.append(1)


def of_another(instance: Any, **kwargs: Any) -> None:
    if instance.owner.pk is None or instance.owner._state.adding:
        queue.append(1)


def goes_up(instance: Any, **kwargs: Any) -> None:
    while instance.parent:
        instance = instance.parent
    if instance.pk is None:
        queue.append(1)


def of_a_copy(instance: Any, **kwargs: Any) -> None:
    instance.pk = None
    if instance._state.adding:
        queue.append(1)


@pytest.mark.parametrize("receiver", [is_careful, looks_at_created, of_another, goes_up, of_a_copy])
def test_a_key_may_be_asked_for_after_a_save(receiver: Any, said: Said) -> None:
    assert said(receiver, post_save, Plain) == []


def test_one_that_hears_a_save_before_and_after_may_ask(said: Said) -> None:
    said(is_adding, pre_save, Plain)

    assert said(is_adding, post_save, Plain) == []


def gets_created(instance: Any, **kwargs: Any) -> None:
    if kwargs.get("created"):
        queue.append(1)


def has_created(instance: Any, created: bool = False, **kwargs: Any) -> None:
    if created:
        queue.append(1)


def makes_created(instance: Any, created: bool = False, **kwargs: Any) -> None:
    created = created or instance._state.adding
    if created:
        queue.append(1)


def only_takes_created(instance: Any, created: bool = False, **kwargs: Any) -> None:
    queue.append(1)


def gets_created_of_another(instance: Any, **kwargs: Any) -> None:
    if instance.dates.get("created"):
        queue.append(1)


@pytest.mark.parametrize("receiver", [gets_created, has_created])
def test_before_a_save_created_is_never_sent(receiver: Any, said: Said) -> None:
    assert said(receiver, pre_save, Plain) == ["key-never-none"]
    [finding] = [each for each in over_signal_map(read_map()).shown if "Plain" in each.message]
    assert "asks for created in pre_save of parcels.Plain" in finding.message
    assert said(receiver, post_save, Plain) == []


@pytest.mark.parametrize("receiver", [makes_created, only_takes_created, gets_created_of_another])
def test_created_is_not_waited_for(receiver: Any, said: Said) -> None:
    assert said(receiver, pre_save, Plain) == []


# m2m_changed

BETWEEN: Any = Group.permissions.through


def flush(instance: Any, action: str, **kwargs: Any) -> None:
    if action == "post_add":
        instance.flush()


def flush_by_kwargs(**kwargs: Any) -> None:
    if kwargs["action"] == "post_add":
        kwargs["instance"].flush()


def flush_both(instance: Any, action: str, reverse: bool, **kwargs: Any) -> None:
    if action == "post_add" and not reverse:
        instance.flush()


def flush_one_class(instance: Any, action: str, **kwargs: Any) -> None:
    if action == "post_add" and isinstance(instance, Product):
        instance.flush()


def count(action: str, **kwargs: Any) -> None:
    if action == "post_add":
        queue.append(1)


def passed_on(**kwargs: Any) -> None:
    flush(**kwargs)


@pytest.mark.parametrize("receiver", [flush, flush_by_kwargs])
def test_an_instance_of_either_side_is_used(receiver: Any, said: Said) -> None:
    assert said(receiver, m2m_changed, BETWEEN) == ["ignores-reverse"]


@pytest.mark.parametrize("receiver", [flush_both, flush_one_class, count, passed_on])
def test_who_knows_the_side_or_needs_none_is_not_told(receiver: Any, said: Said) -> None:
    assert said(receiver, m2m_changed, BETWEEN) == []


def always(reverse: bool, **kwargs: Any) -> None:
    queue.append(reverse)


def over_all(pk_set: Any, **kwargs: Any) -> None:
    for pk in pk_set:
        print(pk)


def among(pk_set: Any, action: str, **kwargs: Any) -> Any:
    if action.startswith("post"):
        return Order.objects.filter(pk__in=pk_set)
    return None


def how_many(**kwargs: Any) -> int:
    return len(kwargs["pk_set"])


def over_some(pk_set: Any, **kwargs: Any) -> None:
    for pk in pk_set or ():
        print(pk)


def only_added(pk_set: Any, action: str, **kwargs: Any) -> None:
    if action == "post_add":
        for pk in pk_set:
            print(pk)


def cleared_apart(pk_set: Any, action: str, **kwargs: Any) -> Any:
    if action == "post_clear":
        return Order.objects.all()
    return Order.objects.filter(pk__in=pk_set)


def elsewhere_decided(pk_set: Any, action: str, **kwargs: Any) -> Any:
    if action not in ACTIONS:
        return None
    return Order.objects.filter(pk__in=pk_set)


ACTIONS = ("post_add",)


def test_who_runs_before_and_after_each_change_is_told(said: Said) -> None:
    assert said(always, m2m_changed, BETWEEN) == ["ignores-action"]


def test_who_never_runs_is_not_told_what_it_does(said: Said) -> None:
    assert said(always, m2m_changed, Order) == []  # m2m_changed is sent by the table between two.
    assert said(always, m2m_changed, BETWEEN) == ["ignores-action"]


@pytest.mark.parametrize(
    ("receiver", "slugs"),
    [
        (over_all, ["ignores-action", "needs-pk-set"]),
        (how_many, ["ignores-action", "needs-pk-set"]),
        (among, ["needs-pk-set"]),
    ],
)
def test_who_cannot_stand_clear_is_told(receiver: Any, slugs: list[str], said: Said) -> None:
    assert said(receiver, m2m_changed, BETWEEN) == slugs


@pytest.mark.parametrize("receiver", [over_some, only_added, cleared_apart, elsewhere_decided])
def test_who_knows_of_clear_is_not_told(receiver: Any, said: Said) -> None:
    assert "needs-pk-set" not in said(receiver, m2m_changed, BETWEEN)


# Before the commit


def puts(instance: Any, **kwargs: Any) -> None:
    queue.append(instance.pk)


def delays(instance: Any, **kwargs: Any) -> None:
    jobs.index.delay(instance.pk)


def mails(instance: Any, **kwargs: Any) -> None:
    send_mail("s", "b", None, [instance.email])


def sends_to_a_group(instance: Any, **kwargs: Any) -> None:
    async_to_sync(jobs.layer.group_send)("orders", {"type": "saved", "pk": instance.pk})


def publishes(instance: Any, **kwargs: Any) -> None:
    jobs.redis.publish("orders", instance.pk)


def asks_a_layer(instance: Any, **kwargs: Any) -> None:
    async_to_sync(jobs.layer.flush)()
    jobs.article.publish("orders", instance.pk)


def starts(instance: Any, **kwargs: Any) -> None:
    Thread(target=print, args=(instance.pk,)).start()


def waits(instance: Any, **kwargs: Any) -> None:
    transaction.on_commit(lambda: jobs.index.delay(instance.pk))


def waits_itself(instance: Any, **kwargs: Any) -> None:
    jobs.index.delay_on_commit(instance.pk)


def run_later(work: Callable[[], None]) -> None:
    transaction.on_commit(work)


def waits_by_a_helper(instance: Any, **kwargs: Any) -> None:
    run_later(lambda: jobs.index.delay(instance.pk))


def waits_by_a_function(instance: Any, **kwargs: Any) -> None:
    def index() -> None:
        jobs.index.delay(instance.pk)

    run_later(index)


def waits_not(instance: Any, **kwargs: Any) -> None:
    def index() -> None:
        jobs.index.delay(instance.pk)

    index()


def collects(instance: Any, **kwargs: Any) -> None:
    names = []
    names.append(instance.pk)


def stores(instance: Any, **kwargs: Any) -> None:
    instance.tags.get(pk=1)


@pytest.mark.parametrize(
    "receiver", [puts, delays, mails, sends_to_a_group, publishes, starts, waits_not]
)
def test_who_hands_a_row_over_at_once_is_told(receiver: Any, said: Said) -> None:
    assert said(receiver, post_save, Order) == ["work-in-transaction"]


@pytest.mark.parametrize(
    "receiver",
    [waits, waits_itself, waits_by_a_helper, waits_by_a_function, collects, stores, asks_a_layer],
)
def test_who_waits_or_hands_nothing_over_is_not_told(receiver: Any, said: Said) -> None:
    assert said(receiver, post_save, Order) == []


def test_a_signal_of_ones_own_is_sent_when_its_sender_likes(said: Said) -> None:
    from django.core.signals import request_finished

    assert said(puts, request_finished) == []


# What a deletion has taken


def reads_lines(instance: Any, **kwargs: Any) -> None:
    for line in instance.lines.all():
        print(line)


def counts_lines(**kwargs: Any) -> None:
    order = kwargs["instance"]
    print(order.lines.filter(quantity=1).count())


def reads_further(instance: Any, **kwargs: Any) -> None:
    print(instance.customer.groups.all())


def reads_something(instance: Any, **kwargs: Any) -> None:
    print(instance.history.all())
    print(instance.lines)


def reads_of_another(sender: Any, instance: Any, **kwargs: Any) -> None:
    for instance in sender.objects.all():
        print(instance.lines.all())


def forgets_key(instance: Any, **kwargs: Any) -> None:
    transaction.on_commit(lambda: jobs.forget(instance.pk))


def forgets_key_by_a_function(**kwargs: Any) -> None:
    order = kwargs["instance"]

    def forget() -> None:
        jobs.forget(order.id)

    transaction.on_commit(forget, using=kwargs["using"])


def keeps_key(instance: Any, **kwargs: Any) -> None:
    transaction.on_commit(partial(jobs.forget, instance.pk))
    transaction.on_commit(lambda pk=instance.pk: jobs.forget(pk))
    key = instance.pk
    transaction.on_commit(lambda: jobs.forget(key, instance.phone))


@pytest.mark.parametrize(
    "receiver", [reads_lines, counts_lines, forgets_key, forgets_key_by_a_function]
)
def test_what_is_gone_when_post_delete_reads_it_is_told(receiver: Any, said: Said) -> None:
    assert said(receiver, post_delete, Order) == ["gone-after-delete"]


@pytest.mark.parametrize("receiver", [reads_further, reads_something, reads_of_another, keeps_key])
def test_what_post_delete_may_read_is_not_told(receiver: Any, said: Said) -> None:
    assert said(receiver, post_delete, Order) == []


@pytest.mark.parametrize("receiver", [reads_lines, forgets_key])
def test_before_the_deletion_and_for_two_signals_nothing_is_told(receiver: Any, said: Said) -> None:
    assert said(receiver, pre_delete, Order) == []
    assert said(receiver, post_delete, Order) == []


def test_of_a_model_that_only_marks_what_it_deletes_nothing_is_told(said: Said) -> None:
    class Kept(models.Model):
        is_deleted = models.BooleanField(default=False)

        class Meta:
            app_label = "parcels"

        def delete(self, **kwargs: Any) -> Any:
            self.is_deleted = True
            self.save()
            post_delete.send(Kept, instance=self, using="default")

    class Part(models.Model):
        kept = models.ForeignKey(Kept, models.CASCADE, related_name="lines")

        class Meta:
            app_label = "parcels"

    assert said(reads_lines, post_delete, Kept) == []
    assert said(forgets_key, post_delete, Kept) == []


def test_a_relation_is_told_where_the_model_has_it(said: Said) -> None:
    assert said(reads_lines, post_delete, Parcel) == []
    assert said(reads_lines, post_delete) == []


@pytest.mark.django_db
def test_django_has_emptied_the_relations_that_are_named() -> None:
    found: dict[str, int] = {}
    named: list[str] = []

    def look(instance: Any, **kwargs: Any) -> None:
        found.update({name: getattr(instance, name).count() for name in named})

    ada = User.objects.create(username="ada")
    ada.groups.add(Group.objects.create(name="Buyers"))
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(user=ada, content_type=kind, action_flag=1)
    post_delete.connect(look, sender=User)
    try:
        [connection] = [each for _, each in read_map().walk() if look.__qualname__ in each.receiver]
        named += [each for each in connection.gone if each != "pk"]
        ada.delete()
    finally:
        post_delete.disconnect(look, sender=User)

    assert found == dict.fromkeys(named, 0)
    assert {"groups", "user_permissions", "logentry_set"} <= {*named}
    # While there are orders nobody can be deleted.
    assert "order_set" not in named
