from django.db import transaction
from django.http import HttpRequest, HttpResponse

from when_not_to.shop.middleware import placed
from when_not_to.shop.models import Order, Product
from when_not_to.shop.work import take_from_stock


def buy(request: HttpRequest) -> HttpResponse:
    """Order one of each product that was asked for."""
    with transaction.atomic():
        for product in Product.objects.filter(name__in=request.POST.getlist("product")):
            order = Order.objects.create(product=product, quantity=1, email=request.POST["email"])
            take_from_stock(order)
            placed.get().append(order)
    return HttpResponse("Thank you")
