"""What a chain consists of: from what is connected, from the source, and from a graph."""

from __future__ import annotations

import json
from collections.abc import Iterator
from operator import methodcaller
from types import FunctionType
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, models, transaction
from django.db.models import signals as model_signals
from django.db.models.functions import Upper
from django.db.models.signals import m2m_changed, post_delete, post_init, post_save, pre_save
from django.dispatch import Signal
from django.test.utils import isolate_apps

from shop.models import Order, Product
from signal_tracer import plain, trace_signals
from signal_tracer.chain import Chain, ChainStep, Seen
from signal_tracer.describing.names import signal_name
from signal_tracer.mapping.chains import chain_of
from signal_tracer.mapping.effects import Effects
from signal_tracer.records import Location
from signal_tracer.signal_graph import SeenCalls, SeenDispatches, SeenSendings, SignalGraph
from signal_tracer.source_steps import SourceStep
from warehouse.models import StockItem

HERE = f"{__name__}."
MODEL_SIGNALS = [each for each in vars(model_signals).values() if issubclass(type(each), Signal)]

bell = Signal()
gong = Signal()
tinkle = Signal()


@pytest.fixture(autouse=True)
def all_is_connected_as_before() -> Iterator[None]:
    signals = [*MODEL_SIGNALS, bell, gong, tinkle]
    before = [(signal, list(signal.receivers)) for signal in signals]
    yield
    for signal, receivers in before:
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


def outline(steps: Chain | tuple[ChainStep, ...], depth: int = 0) -> list[str]:
    """A line a step: what it is, its name, its sender, how it is known, and what stops there."""
    lines = []
    for step in steps.steps if isinstance(steps, Chain) else steps:
        words = [
            step.kind,
            step.name.removeprefix("django.db.models.signals.").removeprefix(HERE),
            f"sender={step.sender}" if step.sender else "",
            "" if step.standing == "connected" else f"({step.standing})",
            *(part for part in (step.again, step.obstacle) if part),
            f"omitted={step.omitted}" if step.omitted else "",
        ]
        lines.append(f"{'  ' * depth}{' '.join(filter(None, words))}")
        lines += outline(step.steps, depth + 1)
    return lines


def steps_of(start: str, sender: str | None = None, **options: Any) -> list[str]:
    return outline(chain_of(start, sender, **options))


def hear(**kwargs: Any) -> None:
    """Does nothing."""


def hear_too(**kwargs: Any) -> None:
    """Does nothing either."""


async def hear_later(**kwargs: Any) -> None:
    """Does nothing, later."""


# Who is called


def test_receivers_stand_in_calling_order_with_those_of_any_sender_the_async_ones_last() -> None:
    bell.connect(hear_later)
    bell.connect(hear, sender=Order)
    bell.connect(hear_too)

    assert steps_of("bell", "shop.Order") == [
        "signal bell sender=shop.Order",
        "  receiver hear",
        "  receiver hear_too",
        "  receiver hear_later",
    ]


def test_a_receiver_of_another_sender_is_no_part_of_it() -> None:
    bell.connect(hear, sender=Order)
    bell.connect(hear_too, sender=Product)

    assert steps_of("bell", "shop.Order") == [
        "signal bell sender=shop.Order",
        "  receiver hear",
    ]


def test_a_signal_stands_in_it_for_each_sender_that_is_known() -> None:
    bell.connect(hear, sender=Order)
    bell.connect(hear_too, sender=Product)

    assert steps_of("bell") == [
        "signal bell sender=shop.Order",
        "  receiver hear",
        "signal bell sender=shop.Product",
        "  receiver hear_too",
    ]


def test_a_signal_of_which_no_sender_is_known_stands_for_any() -> None:
    tinkle.connect(hear)

    assert steps_of("tinkle") == ["signal tinkle sender=None", "  receiver hear"]


def test_a_dead_receiver_is_marked_and_not_followed() -> None:
    def gone(**kwargs: Any) -> None:
        post_save.send(Product)

    bell.connect(gone, sender=Order)
    del gone

    assert steps_of("bell", "shop.Order") == [
        "signal bell sender=shop.Order",
        "  receiver a receiver that is gone dead",
    ]


def save_an_order(instance: Product, **kwargs: Any) -> None:
    Order().save()


def test_a_receiver_that_is_only_nearly_called_is_marked_and_not_followed() -> None:
    pre_save.connect(save_an_order, sender=Product)

    assert steps_of("shop.Second.save")[:3] == [
        "save shop.Second.save()",
        "  signal pre_save sender=shop.Second",
        "    receiver save_an_order connected_to_concrete",
    ]


# What a model sends


def test_of_a_model_all_stands_in_it_that_is_sent_with_it_as_the_sender() -> None:
    bell.connect(hear, sender=Group)

    assert steps_of("auth.Group") == [
        "save auth.Group.save()",
        "  signal pre_save sender=auth.Group",
        "  signal post_save sender=auth.Group",
        "delete auth.Group.delete()",
        "  signal pre_delete sender=auth.Group",
        "  signal post_delete sender=auth.Group",
        "signal m2m_changed sender=auth.Group_permissions",
        "signal bell sender=auth.Group",
        "  receiver hear",
    ]


def test_loading_a_row_stands_in_it_only_if_somebody_hears_of_that() -> None:
    post_init.connect(hear, sender=Group)

    assert steps_of("auth.Group")[:2] == [
        "signal post_init sender=auth.Group",
        "  receiver hear",
    ]


def test_the_relation_of_another_model_stands_in_it_if_somebody_hears_of_it() -> None:
    m2m_changed.connect(hear, sender=User.groups.through)

    assert "signal m2m_changed sender=auth.User_groups" in steps_of("auth.Group")


def test_of_a_method_only_what_that_does_stands_in_it() -> None:
    assert steps_of("shop.Order.delete") == [
        "delete shop.Order.delete()",
        "  signal pre_delete sender=shop.Order",
        "  signal post_delete sender=shop.Order",
    ]


def test_a_deletion_takes_along_the_rows_that_refer_to_it_if_somebody_hears_of_that() -> None:
    found = steps_of("shop.Product.delete")

    assert found[:5] == [
        "delete shop.Product.delete()",
        "  signal pre_delete sender=shop.Product",
        "  cascade shop.Review.product",
        "    signal post_delete sender=shop.Review",
        "      receiver shop.receivers.forget_rating",
    ]
    assert found[5] == "  signal post_delete sender=shop.Product"


def test_an_overridden_save_is_a_step_with_its_conditions() -> None:
    [saving] = chain_of("commissions.WithSave.save").steps
    last = saving.steps[-1]

    assert outline((saving,)) == [
        "save commissions.WithSave.save()",
        "  signal pre_save sender=commissions.WithSave",
        "  signal post_save sender=commissions.WithSave",
        "  bulk commissions.Account.update() (in_source)",
        "  callback partial(commissions.post.confirm) (in_source)",
    ]
    assert saving.location is not None
    assert saving.location.function == "WithSave.save"
    assert [(each.certainty, each.condition) for each in last.in_source] == [
        ("may", "`if is_new:`")
    ]


def put_away(self: Product) -> None:
    self.description = "gone"
    self.save()


def test_a_delete_of_its_own_that_never_goes_on_to_djangos_sends_what_that_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Product, "delete", put_away)
    for signal in MODEL_SIGNALS:
        signal.receivers = []
        signal.sender_receivers_cache.clear()
    post_delete.connect(hear, sender=Product)
    post_save.connect(hear_too, sender=Product)

    assert steps_of("shop.Product.delete") == [
        "delete shop.Product.delete()",
        "  save shop.Product.save() (in_source)",
        "    signal post_save sender=shop.Product",
        "      receiver hear_too",
    ]
    # A queryset calls no delete() of the model.
    found = steps_of("shop.Product")
    begin = found.index("delete shop.Product.delete() of a queryset")
    assert found[begin + 1 : begin + 4] == [
        "  signal pre_delete sender=shop.Product",
        "  signal post_delete sender=shop.Product",
        "    receiver hear",
    ]


def test_what_is_sent_without_a_save_stands_beside_one_that_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Group, "save", lambda self, **kwargs: None)
    post_save.connect(hear, sender=Group)

    assert steps_of("auth.Group")[:3] == [
        "save auth.Group.save()",
        "signal post_save sender=auth.Group",
        "  receiver hear",
    ]


def delete_for_good(self: Product) -> None:
    Product.objects.filter(pk=self.pk).delete()


def delete_as_others_do(self: Product) -> None:
    ask_again(super(Product, self).delete)


def delete_in_turn(self: Product) -> None:
    models.Model.delete(self)


class PutAway:
    def delete(self) -> None:
        super().save()  # type: ignore[misc]


ask_again = methodcaller("__call__")


@pytest.mark.parametrize(
    ("own", "found"),
    [
        (delete_for_good, ["post_delete"]),
        (delete_as_others_do, ["post_delete"]),
        (delete_in_turn, ["post_delete"]),
        (PutAway.delete, ["post_save"]),
    ],
)
def test_a_delete_of_its_own_sends_what_it_may_go_on_to(
    monkeypatch: pytest.MonkeyPatch, own: Any, found: list[str]
) -> None:
    monkeypatch.setattr(Product, "delete", own)
    for signal in MODEL_SIGNALS:
        signal.receivers = []
        signal.sender_receivers_cache.clear()
    post_delete.connect(hear, sender=Product)
    post_save.connect(hear, sender=Product)
    chain = chain_of("shop.Product.delete")
    heard = [each for each in chain.walk() if each.kind == "signal" and each.steps]

    assert [each.name.rpartition(".")[2] for each in heard] == found


def save_by_class(self: Product, *args: Any, **kwargs: Any) -> None:
    models.Model.save(self, *args, **kwargs)


def test_a_save_of_its_own_goes_on_to_djangos_by_its_class_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Product, "save", save_by_class)
    post_save.connect(hear, sender=Product)

    found = steps_of("shop.Product.save")
    assert found[0] == "save shop.Product.save()"
    assert not [line for line in found[1:] if "shop.Product.save()" in line]
    assert "    receiver hear" in found


def test_a_delete_of_its_own_may_save_past_the_save_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Product, "save", save_by_class)
    monkeypatch.setattr(Product, "delete", PutAway.delete)
    post_save.connect(hear, sender=Product)

    assert "  save shop.Product.save() past its own (in_source)" in steps_of("shop.Product.delete")


def test_a_deletion_that_keeps_the_parents_tells_nobody_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def close(**kwargs: Any) -> None:
        Cafe().delete(keep_parents=True)

    def close_for_good(**kwargs: Any) -> None:
        Cafe().delete()

    with isolate_apps("shop") as isolated:
        monkeypatch.setattr("signal_tracer.mapping.chains.apps", isolated)

        class Place(models.Model):
            class Meta:
                app_label = "shop"

        class Cafe(Place):
            class Meta:
                app_label = "shop"

        class Bar(Place):
            class Meta:
                app_label = "shop"

            def delete(self, using: Any = None, keep_parents: bool = False) -> Any:
                return models.Model.delete(self, keep_parents=True)

        for model in (Place, Cafe, Bar):
            post_delete.connect(hear, sender=model)
        bell.connect(close)
        tinkle.connect(close_for_good)

        def told_by(*start: str) -> list[str]:
            return [line.strip() for line in steps_of(*start) if "delete" in line]

        assert told_by("bell", "None") == [
            "delete shop.Cafe.delete() that keeps its parents (in_source)",
            "signal post_delete sender=shop.Cafe",
        ]
        assert told_by("tinkle", "None") == [
            "delete shop.Cafe.delete() (in_source)",
            "signal post_delete sender=shop.Cafe",
            "signal post_delete sender=shop.Place",
        ]
        assert told_by("shop.Bar.delete") == [
            "delete shop.Bar.delete()",
            "signal pre_delete sender=shop.Bar",
            "signal post_delete sender=shop.Bar",
        ]


def save_unless_gone(self: Product, *args: Any, **kwargs: Any) -> None:
    if self.description == "gone":
        return
    models.Model.save(self, *args, **kwargs)


def save_and_perhaps_again(self: Product, *args: Any, **kwargs: Any) -> None:
    models.Model.save(self, *args, **kwargs)
    if self.description == "gone":
        models.Model.save(self)


@pytest.mark.parametrize(
    ("own", "how"),
    [
        (save_unless_gone, [("may", "what `if self.description == 'gone':` may return before")]),
        (save_and_perhaps_again, []),
    ],
)
def test_what_a_save_of_its_own_goes_on_to_under_a_condition_may_be_sent(
    monkeypatch: pytest.MonkeyPatch, own: Any, how: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(Product, "save", own)
    post_save.connect(hear, sender=Product)
    [saving] = chain_of("shop.Product.save").steps
    [sent] = [each for each in saving.steps if each.name.endswith("post_save")]

    assert [(each.certainty, each.condition) for each in sent.in_source] == how
    assert sent.is_certain is (how == [])


def change_products(**kwargs: Any) -> None:
    Product.objects.filter(description="gone").update(description="new".strip())


def test_a_bulk_operation_goes_by_its_method_and_skips_who_hears_every_model() -> None:
    bell.connect(change_products, sender=Order)
    for signal in (pre_save, post_save):
        signal.receivers = []
        signal.sender_receivers_cache.clear()
    post_save.connect(hear)
    post_save.connect(hear_too, sender=Product)
    post_save.connect(hear_later, sender=Order)
    [changing] = [each for each in chain_of("bell", "shop.Order").walk() if each.kind == "bulk"]

    assert changing.name == "shop.Product.update()"
    assert changing.skipped == (f"{HERE}hear", f"{HERE}hear_too")


def delete_a_product(**kwargs: Any) -> None:
    Product(pk=1).delete()


def test_of_a_delete_that_leaves_no_trace_it_is_not_said_that_it_was_never_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Product, "delete", lambda self: None)
    bell.connect(delete_a_product, sender=Order)

    assert "    delete shop.Product.delete() (in_source)" in steps_of(
        "bell", "shop.Order", graph=seen("test_bell")
    )


# What follows


def ring_twice(sender: Any, **kwargs: Any) -> None:
    gong.send(sender=Order)
    tinkle.send(sender=Product)


def ring_back(sender: Any, **kwargs: Any) -> None:
    bell.send(sender=Order)


def test_a_cycle_is_marked_and_not_followed() -> None:
    bell.connect(ring_twice)
    gong.connect(ring_back)

    assert steps_of("bell", "shop.Order") == [
        "signal bell sender=shop.Order",
        "  receiver ring_twice",
        "    signal gong sender=shop.Order (in_source)",
        "      receiver ring_back",
        "        signal bell sender=shop.Order (in_source) cycle",
        "    signal tinkle sender=shop.Product (in_source)",
    ]


def save_without_itself(instance: Product, **kwargs: Any) -> None:
    post_save.disconnect(save_without_itself, sender=Product)
    instance.save()
    post_save.connect(save_without_itself, sender=Product)


def disconnect_another(instance: Product, **kwargs: Any) -> None:
    post_save.disconnect(hear, sender=Product)
    instance.save()


def test_a_receiver_that_disconnects_itself_around_its_save_goes_not_round() -> None:
    post_save.receivers = []
    pre_save.receivers = []
    post_save.connect(save_without_itself, sender=Product)
    post_save.connect(hear, sender=Product)
    signal = "signal post_save sender=shop.Product"

    assert steps_of("shop.Product.save") == [
        "save shop.Product.save()",
        "  signal pre_save sender=shop.Product",
        f"  {signal}",
        "    receiver save_without_itself",
        "      save shop.Product.save() (in_source)",
        f"        {signal}",
        "          receiver hear",
        "    receiver hear",
    ]


def test_one_that_disconnects_another_goes_round() -> None:
    post_save.receivers = []
    pre_save.receivers = []
    post_save.connect(disconnect_another, sender=Product)

    assert steps_of("shop.Product.save")[-1].endswith("save shop.Product.save() (in_source) cycle")


def ring_and_ring(sender: Any, **kwargs: Any) -> None:
    gong.send(sender=Order)


def test_what_is_shown_once_is_not_shown_again() -> None:
    bell.connect(ring_twice)
    bell.connect(ring_and_ring)
    gong.connect(hear)

    assert steps_of("bell", "shop.Order") == [
        "signal bell sender=shop.Order",
        "  receiver ring_twice",
        "    signal gong sender=shop.Order (in_source)",
        "      receiver hear",
        "    signal tinkle sender=shop.Product (in_source)",
        "  receiver ring_and_ring",
        "    signal gong sender=shop.Order (in_source) above",
    ]


def test_a_signal_that_another_of_them_leads_to_is_shown_there() -> None:
    gong.connect(ring_later, sender=Group)
    bell.connect(hear, sender=Group)

    assert (
        steps_of("auth.Group")[-4:]
        == [
            "signal gong sender=auth.Group",
            "  receiver ring_later",
            "    signal bell sender=auth.Group (in_source)",
            "      receiver hear",
            "signal bell sender=auth.Group above",
        ][-4:]
    )


def ring_later(**kwargs: Any) -> None:
    bell.send(sender=Group)


def test_no_more_than_the_depth_is_shown_and_what_is_left_out_is_counted() -> None:
    bell.connect(ring_twice)
    gong.connect(hear)

    assert steps_of("bell", "shop.Order", depth=1) == [
        "signal bell sender=shop.Order",
        "  receiver ring_twice omitted=2",
    ]


def test_what_was_too_deep_in_one_place_is_shown_in_another_that_is_not_so_deep() -> None:
    bell.connect(ring_twice)
    gong.connect(ring_in_turn)
    tinkle.connect(hear)

    assert steps_of("bell", "shop.Order", depth=2) == [
        "signal bell sender=shop.Order",
        "  receiver ring_twice",
        "    signal gong sender=shop.Order (in_source)",
        "      receiver ring_in_turn omitted=1",
        "    signal tinkle sender=shop.Product (in_source)",
        "      receiver hear",
    ]


def ring_in_turn(**kwargs: Any) -> None:
    tinkle.send(sender=Product)


def write_past_receivers(**kwargs: Any) -> None:
    StockItem.objects.update(quantity=0)


def test_a_bulk_operation_names_the_receivers_that_it_skips() -> None:
    bell.connect(write_past_receivers)
    [step] = [each for each in chain_of("bell", "None").walk() if each.kind == "bulk"]

    assert step.name == "warehouse.StockItem.update()"
    assert step.skipped == ("shop.receivers.show_availability",)


def save_what_it_is_given(order: Any, **kwargs: Any) -> None:
    order.save()


def test_a_place_that_cannot_be_resolved_is_said() -> None:
    bell.connect(save_what_it_is_given)
    [step] = [each for each in chain_of("bell", "None").walk() if each.kind == "unknown"]

    assert step.name == "order.save()"
    assert step.in_source[0].reason == "what `order` is cannot be told"


def make_groups_and_orders_later(**kwargs: Any) -> None:
    transaction.on_commit(lambda: Group.objects.create(name="potters"))
    transaction.on_commit(lambda: Product.objects.create(name="pot"))


def test_callbacks_that_go_by_one_name_are_one_step_with_what_each_does() -> None:
    bell.connect(make_groups_and_orders_later)
    [root] = chain_of("bell", "None").steps
    [callback] = root.steps[0].steps

    assert [step.name for step in callback.steps] == [
        "auth.Group.save()",
        "shop.Product.save()",
    ]
    assert len(callback.in_source) == 2


# What was seen


def seen(*names: str) -> SignalGraph:
    """The graph of an order's bell, rung in one trace for each name."""
    traces = []
    for name in names:
        with trace_signals(name) as trace:
            bell.send(sender=Order)
        traces.append(trace)
    return SignalGraph.from_traces(traces)


def ring_by_name(**kwargs: Any) -> None:
    methodcaller("send", sender=Product)(tinkle)


def ring_if_asked(sender: Any, please: bool = False, **kwargs: Any) -> None:
    if please:
        gong.send(sender=Order)


def test_what_was_seen_and_what_the_source_says_are_told_apart() -> None:
    for receiver in (ring_twice, ring_by_name, ring_if_asked):
        bell.connect(receiver)
    gong.connect(hear)
    tinkle.connect(hear)

    assert steps_of("bell", "shop.Order", graph=seen("test_bell")) == [
        "signal bell sender=shop.Order (seen)",
        "  receiver ring_twice (seen)",
        "    signal gong sender=shop.Order (seen_and_in_source)",
        "      receiver hear (seen)",
        "    signal tinkle sender=shop.Product (seen_and_in_source)",
        "      receiver hear (seen)",
        "  receiver ring_by_name (seen)",
        "    signal tinkle sender=shop.Product (only_seen) above",
        "  receiver ring_if_asked (seen)",
        "    signal gong sender=shop.Order (only_in_source) above",
    ]


def test_each_step_says_how_often_it_was_seen_and_where() -> None:
    bell.connect(ring_twice)
    gong.connect(hear)
    chain = chain_of("bell", "shop.Order", graph=seen("test_second", "test_first"))
    [root] = chain.steps
    [call] = root.steps
    sent = call.steps[0]

    assert chain.traces == 2
    for step in (root, call, sent):
        assert step.seen is not None
        assert (step.seen.count, step.seen.traces, step.seen.example) == (2, 2, "test_first")
    assert call.seen is not None
    assert call.seen.queries == 0


def test_a_receiver_that_was_seen_and_is_not_connected_now_is_told_apart() -> None:
    bell.connect(ring_and_ring)
    gong.connect(hear)
    graph = seen("test_bell")
    bell.disconnect(ring_and_ring)

    assert steps_of("bell", "shop.Order", graph=graph) == [
        "signal bell sender=shop.Order (seen)",
        "  receiver ring_and_ring (only_seen)",
        "    signal gong sender=shop.Order (seen)",
        "      receiver hear (seen)",
    ]


def test_a_signal_of_which_only_the_graph_knows_the_sender_stands_in_it() -> None:
    bell.connect(hear)
    graph = seen("test_bell")

    assert [step.sender for step in chain_of("bell", graph=graph).steps] == ["shop.Order"]


def refuse(**kwargs: Any) -> None:
    raise RuntimeError("no")


@pytest.mark.django_db
def test_a_raise_that_undoes_the_save_is_marked_where_it_was_seen() -> None:
    post_save.connect(refuse, sender=Group)
    with (
        trace_signals("test_refused") as trace,
        pytest.raises(RuntimeError),
        transaction.atomic(),
    ):
        Group.objects.create(name="potters")
    chain = chain_of("auth.Group.save", graph=SignalGraph.from_traces([trace]))
    [saving] = chain.steps
    signal = saving.steps[-1]
    [call] = signal.steps

    assert signal.seen is not None
    assert call.seen is not None
    assert (signal.seen.raised, signal.seen.rolled_back) == (1, 1)
    assert (call.seen.raised, call.seen.errors) == (1, ("RuntimeError",))


def save_rows_that_nobody_hears_of(**kwargs: Any) -> None:
    Group.objects.create(name="potters")
    StockItem.objects.update(quantity=0)
    transaction.on_commit(ring_later)


@pytest.mark.django_db(transaction=True)
def test_rows_bulk_operations_and_callbacks_are_known_by_what_was_written() -> None:
    bell.connect(save_rows_that_nobody_hears_of, sender=Order)
    bell.connect(hear, sender=Group)
    with trace_signals("test_bell") as trace, transaction.atomic():
        bell.send(sender=Order)
    graph = SignalGraph.from_traces([trace])

    assert steps_of("bell", "shop.Order", graph=graph) == [
        "signal bell sender=shop.Order (seen)",
        "  receiver save_rows_that_nobody_hears_of (seen)",
        "    save auth.Group.save() (seen_and_in_source)",
        "    bulk warehouse.StockItem.update() (seen_and_in_source)",
        "    callback ring_later (seen_and_in_source)",
        "      signal bell sender=auth.Group (seen_and_in_source)",
        "        receiver hear (seen)",
    ]


def make_groups_and_rename_them(**kwargs: Any) -> None:
    Group.objects.create(name="potters")
    Group.objects.create(name="weavers")
    Group.objects.update(name=Upper("name"))


@pytest.mark.django_db
def test_a_row_that_is_made_is_no_row_that_is_updated() -> None:
    bell.connect(make_groups_and_rename_them, sender=Order)
    with trace_signals("test_bell") as trace:
        bell.send(sender=Order)
    chain = chain_of("bell", "shop.Order", graph=SignalGraph.from_traces([trace]))

    assert [
        (each.name, each.seen and each.seen.count)
        for each in chain.walk()
        if each.kind in ("save", "bulk")
    ] == [("auth.Group.save()", 2), ("auth.Group.update()", 1)]


def rename_groups_and_perhaps_save_them(please: bool = False, **kwargs: Any) -> None:
    Group.objects.update(name=Upper("name"))
    if please:
        Group.objects.get().save()


def rename_groups_by_hand_and_perhaps_save_them(please: bool = False, **kwargs: Any) -> None:
    connection.cursor().execute("UPDATE auth_group SET name = 'POTTERS'")
    if please:
        Group.objects.get().save()


def save_groups_and_perhaps_rename_them(please: bool = False, **kwargs: Any) -> None:
    save_by_name(Group.objects.get())
    if please:
        Group.objects.update(name=Upper("name"))


save_by_name = methodcaller("save")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("receiver", "found"),
    [
        (
            rename_groups_and_perhaps_save_them,
            [
                "    bulk auth.Group.update() (seen_and_in_source)",
                "    save auth.Group.save() (only_in_source)",
            ],
        ),
        (
            rename_groups_by_hand_and_perhaps_save_them,
            ["    save auth.Group.save() (only_in_source)"],
        ),
    ],
)
def test_a_row_that_is_updated_past_its_signals_is_not_saved(
    receiver: Any, found: list[str]
) -> None:
    Group.objects.create(name="potters")
    bell.connect(receiver, sender=Order)

    assert steps_of("bell", "shop.Order", graph=seen("test_bell"))[2:] == found


@pytest.mark.django_db
def test_of_rows_that_were_written_to_in_two_ways_it_is_not_said_which_was_seen() -> None:
    bell.connect(rename_groups_and_perhaps_save_them, sender=Order)
    with trace_signals("test_bell") as trace:
        Group.objects.create(name="potters")
        bell.send(sender=Order)

    assert steps_of("bell", "shop.Order", graph=SignalGraph.from_traces([trace]))[2:] == [
        "    bulk auth.Group.update() (in_source)",
        "    save auth.Group.save() (in_source)",
    ]


@pytest.mark.django_db
def test_a_row_that_is_saved_is_not_updated_past_its_signals() -> None:
    Group.objects.create(name="potters")
    bell.connect(save_groups_and_perhaps_rename_them, sender=Order)
    post_save.connect(hear, sender=Group)

    assert steps_of("bell", "shop.Order", graph=seen("test_bell"))[2:] == [
        "    bulk auth.Group.update() (in_source)",
        "    save auth.Group.save() (only_seen)",
        "      signal post_save sender=auth.Group (seen)",
        "        receiver hear (seen)",
    ]


def ring_what_has_no_name(**kwargs: Any) -> None:
    NAMELESS[0].send(sender=Order)


NAMELESS = [Signal()]


def test_a_signal_without_a_name_was_seen_without_it_being_said_how_often() -> None:
    bell.connect(ring_what_has_no_name, sender=Order)
    NAMELESS[0].connect(hear)
    graph = seen("test_bell")
    name = signal_name(NAMELESS[0])

    for sender in ("None", "shop.Order"):
        [root] = chain_of(name, sender, graph=graph).steps
        [call] = root.steps
        assert (call.name, call.standing, call.seen) == (f"{HERE}hear", "seen", Seen(0))
    assert steps_of("bell", "shop.Order", graph=graph) == [
        "signal bell sender=shop.Order (seen)",
        "  receiver ring_what_has_no_name (seen)",
        f"    signal {name} sender=shop.Order (seen_and_in_source)",
        "      receiver hear (seen)",
    ]


def test_a_receiver_of_one_instance_was_seen_as_that_of_its_class() -> None:
    pot, bowl = Product(pk=1), Product(pk=2)
    bell.connect(hear, sender=pot)
    bell.connect(hear_too, sender=bowl)
    with trace_signals("test_bell") as trace:
        bell.send(sender=pot)
        bell.send(sender=bowl)
    graph = SignalGraph.from_traces([trace])

    assert steps_of("bell", graph=graph) == [
        "signal bell sender=shop.Product (seen)",
        "  receiver hear (seen)",
        "  receiver hear_too (seen)",
    ]
    assert steps_of("bell", "shop.Product(pk=1)", graph=graph) == [
        "signal bell sender=shop.Product(pk=1) (seen)",
        "  receiver hear (seen)",
    ]


def test_a_receiver_whose_name_differs_from_run_to_run_is_known_again() -> None:
    hear_here = FunctionType(hear.__code__, {"__name__": __name__})
    hear_here.__qualname__ = "hear_0x7f0011223344"
    bell.connect(hear_here, sender=Order)

    assert steps_of("bell", "shop.Order", graph=seen("test_bell")) == [
        "signal bell sender=shop.Order (seen)",
        "  receiver hear_0x7f0011223344 (seen)",
    ]


# As data


def test_a_chain_is_plain_data() -> None:
    bell.connect(ring_twice)
    gong.connect(hear)
    chain = chain_of("bell", "shop.Order", graph=seen("test_bell"))
    data = chain.to_dict()
    version = data.pop("version")

    assert version == 1
    assert plain.read(Chain, data) == chain


# Only the project's


def in_a_package(name: str, source: str) -> Any:
    """A receiver of an installed package's, and what its module holds."""
    namespace: dict[str, Any] = {"__name__": f"{name}.receivers", "gong": gong, "Order": Order}
    exec(compile(source, f"/srv/site-packages/{name}/receivers.py", "exec"), namespace)
    return namespace["hear"]


def test_receivers_of_a_package_are_counted_in_one_step_unless_the_project_is_below() -> None:
    idle = [in_a_package("packing", "def hear(**kwargs): 'Packs.'") for _ in range(2)]
    ringing = in_a_package("ringing", "def hear(**kwargs): gong.send(sender=Order)")
    for receiver in (*idle, ringing, hear):
        bell.connect(receiver)
    gong.connect(hear_too)
    chain = chain_of("bell", "shop.Order", graph=seen("test_bell")).project_only()
    [root] = chain.steps

    assert outline(chain) == [
        "signal bell sender=shop.Order (seen)",
        "  package packing",
        "  receiver ringing.receivers.hear (seen)",
        "    signal gong sender=shop.Order (seen)",
        "      receiver hear_too (seen)",
        "  receiver hear (seen)",
    ]
    assert root.steps[0].count == 2


def test_a_receiver_of_a_package_that_raised_stays() -> None:
    raising = in_a_package("raising", "def hear(**kwargs): raise RuntimeError('no')")
    bell.connect(raising)
    with trace_signals("test_bell") as trace:
        bell.send_robust(sender=Order)
    graph = SignalGraph.from_traces([trace])

    assert outline(chain_of("bell", "shop.Order", graph=graph).project_only()) == [
        "signal bell sender=shop.Order (seen)",
        "  receiver raising.receivers.hear (seen)",
    ]


# What the source says, step by step


HERE_IN_SOURCE = Location(__file__, 7, "f")


def source_step(kind: Any, text: str, **more: Any) -> SourceStep:
    return SourceStep(kind, text, more.pop("certainty", "certain"), HERE_IN_SOURCE, **more)


def test_what_a_function_does_stands_in_place_of_its_call_with_the_conditions_of_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sending = source_step(
        "send",
        "gong.send(sender=Order)",
        sends=((f"{HERE}gong", "shop.Order"),),
        condition="`if total:`",
        certainty="may",
    )
    call = source_step(
        "call", "tell()", certainty="may", condition="`if created:`", steps=(sending,)
    )
    monkeypatch.setattr(Effects, "of_receiver", lambda *args, **kwargs: (call,))
    bell.connect(hear, sender=Order)
    [root] = chain_of("bell", "shop.Order").steps
    [step] = root.steps[0].steps

    assert (step.kind, step.name) == ("signal", f"{HERE}gong")
    assert [(each.certainty, each.condition) for each in step.in_source] == [
        ("may", "`if created:` `if total:`")
    ]


def test_a_task_is_a_step_with_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = source_step("send", "gong.send()", sends=((f"{HERE}gong", "None"),))
    task = source_step("task", "pack.delay()", target="shop.tasks.pack", steps=(sending,))
    monkeypatch.setattr(Effects, "of_receiver", lambda *args, **kwargs: (task,))
    bell.connect(hear, sender=Order)

    assert steps_of("bell", "shop.Order") == [
        "signal bell sender=shop.Order",
        "  receiver hear",
        "    errand task shop.tasks.pack (in_source)",
        "      signal gong sender=None (in_source)",
    ]


def test_two_places_that_say_the_same_are_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    saves = [
        source_step("save", f"order.save({each})", target="shop.Order", certainty="may")
        for each in ("1", "2")
    ]
    monkeypatch.setattr(Effects, "of_receiver", lambda *args, **kwargs: tuple(saves))
    bell.connect(hear, sender=Order)
    [root] = chain_of("bell", "shop.Order").steps
    [step] = root.steps[0].steps

    assert step.name == "shop.Order.save()"
    assert [each.text for each in step.in_source] == ["order.save(1)", "order.save(2)"]


def test_tasks_that_go_by_one_name_are_one_step_with_what_each_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks = [
        source_step(
            "task",
            "pack.delay()",
            target="shop.tasks.pack",
            steps=(
                source_step("send", f"{name}.send()", sends=((f"{HERE}{name}", "None"),)),
                source_step("save", "it.save()", certainty="unknown"),
            ),
        )
        for name in ("gong", "chime")
    ]
    monkeypatch.setattr(Effects, "of_receiver", lambda *args, **kwargs: tuple(tasks))
    bell.connect(hear, sender=Order)

    assert steps_of("bell", "shop.Order") == [
        "signal bell sender=shop.Order",
        "  receiver hear",
        "    errand task shop.tasks.pack (in_source)",
        "      signal gong sender=None (in_source)",
        "      unknown it.save() (in_source)",
        "      signal chime sender=None (in_source)",
    ]


def test_a_deep_chain_is_followed_as_far_as_it_may_be() -> None:
    graph = SignalGraph()
    for number in range(60):
        saved = "django.db.models.signals.post_save"
        key = saved, f"deep.Model{number}", f"deep.receivers.hear_{number}"
        graph.dispatches[key[:2]] = SeenDispatches(*key[:2])
        graph.calls[key] = SeenCalls(*key)
        sent = (*key, saved, f"deep.Model{number + 1}", "")
        graph.sendings[sent] = SeenSendings(*sent)
    chain = chain_of("deep.Model0", graph=graph)
    calls = [step for step in chain.walk() if step.kind == "receiver"]

    assert [step.omitted for step in calls] == [*([0] * 49), 1]
    assert json.loads(chain.to_json())["depth"] == 50
