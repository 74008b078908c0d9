"""One mail for all orders of a request, once its response is there."""

from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

from shop.models import Order
from shop.work import confirm

placed: ContextVar[list[Order]] = ContextVar("placed")


def confirm_orders(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        orders: list[Order] = []
        token = placed.set(orders)
        try:
            response = get_response(request)
        finally:
            placed.reset(token)
        if orders and response.status_code < 400:
            confirm(*orders)
        return response

    return middleware
