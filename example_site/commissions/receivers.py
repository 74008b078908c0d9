"""What is done about a commission: once as one of four ways, and once from bad to good."""

from functools import partial

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from commissions.models import (
    Account,
    AfterCommit,
    AsFound,
    BaseCommission,
    Commission,
    ConnectedOnce,
    ForReceiver,
    Light,
    SavedOnce,
    new_number,
)
from commissions.post import confirm
from commissions.signals import commission_taken


@receiver(post_save, sender=ForReceiver, dispatch_uid="commissions.complete")
def complete(
    sender: type[ForReceiver], *, instance: ForReceiver, created: bool, raw: bool, **kwargs: object
) -> None:
    """Add it to the customer's account, and confirm it once it is there."""
    if created and not raw:
        instance.add_to_account()
        transaction.on_commit(partial(confirm, instance))


# From here on: what not to do, and how it becomes good.


@receiver(post_save, sender=AsFound, dispatch_uid="commissions.as_found")
# "It did not run." Now it runs twice.
@receiver(post_save, sender=AsFound, dispatch_uid="commissions.as_found_again")
def as_found(sender: type[AsFound], *, instance: AsFound, **kwargs: object) -> None:
    """Heavy, writing, run twice, mailing inside the transaction, and silent when it fails."""
    try:
        if not instance.number:
            instance.number = new_number()
            instance.save()
        _add_it_all_up(instance)
        confirm(instance)
    except Exception:  # what not to do
        pass


@receiver(post_save, sender=ConnectedOnce, dispatch_uid="commissions.connected_once")
def connected_once(
    sender: type[ConnectedOnce],
    *,
    instance: ConnectedOnce,
    created: bool,
    raw: bool,
    **kwargs: object,
) -> None:
    """Step 1: one connection, and only for what is new."""
    if not created or raw:
        return
    try:
        instance.number = new_number()
        instance.save()
        _add_it_all_up(instance)
        confirm(instance)
    except Exception:  # what not to do
        pass


@receiver(post_save, sender=SavedOnce, dispatch_uid="commissions.saved_once")
def saved_once(
    sender: type[SavedOnce], *, instance: SavedOnce, created: bool, raw: bool, **kwargs: object
) -> None:
    """Step 2: it was saved with its number."""
    if not created or raw:
        return
    try:
        _add_it_all_up(instance)
        confirm(instance)
    except Exception:  # what not to do
        pass


@receiver(post_save, sender=Light, dispatch_uid="commissions.light")
def light(
    sender: type[Light], *, instance: Light, created: bool, raw: bool, **kwargs: object
) -> None:
    """Step 3: one query, which adds what is new."""
    if not created or raw:
        return
    try:
        instance.add_to_account()
        confirm(instance)
    except Exception:  # what not to do
        pass


@receiver(post_save, sender=AfterCommit, dispatch_uid="commissions.after_commit")
def after_commit(
    sender: type[AfterCommit], *, instance: AfterCommit, created: bool, raw: bool, **kwargs: object
) -> None:
    """Step 4: the mail waits for the commit."""
    if created and not raw:
        instance.add_to_account()
        transaction.on_commit(partial(_try_to_confirm, instance))


@receiver(commission_taken, dispatch_uid="commissions.confirm_taken")
def confirm_taken(sender: type[Commission], *, commission: Commission, **kwargs: object) -> None:
    """Step 5: nothing else, and whoever fails is heard of."""
    confirm(commission)


def _add_it_all_up(commission: BaseCommission) -> None:
    """What the customer ever ordered, with a query for each: slower with every order."""
    account = Account.objects.get(customer=commission.customer_id)
    account.spent = 0
    for each in type(commission)._default_manager.filter(customer=commission.customer_id):
        account.spent += each.product.price
    account.save()


def _try_to_confirm(commission: BaseCommission) -> None:
    try:  # noqa: SIM105  # written as one finds it
        confirm(commission)
    except Exception:  # what not to do
        pass
