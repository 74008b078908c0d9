import pytest

from billing.models import Invoice
from shop.models import Order


@pytest.mark.django_db
def test_an_order_has_an_invoice():
    order = Order.objects.create(email="ada@example.com", total=194)
    assert Invoice.objects.get(order=order).total == 194


def test_the_invoice_is_mailed(db, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        Order.objects.create(email="ada@example.com", total=194)
    assert [mail.subject for mail in mailoutbox] == ["Your invoice"]


@pytest.mark.django_db
def test_an_order_that_is_changed_has_no_second_invoice():
    order = Order.objects.create(email="ada@example.com", total=194)
    order.total = 200
    order.save()
    assert Invoice.objects.count() == 1
