from django.http import HttpRequest, HttpResponse
from django.urls import path

from shop import tasks


def pay(request: HttpRequest, order: int) -> HttpResponse:
    return HttpResponse(tasks.queue(order).id)


urlpatterns = [path("orders/<int:order>/pay/", pay)]
