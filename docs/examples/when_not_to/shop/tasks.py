from celery import Celery

from shop.models import Order
from shop.work import confirm

# In a project "redis://...", and a worker in a process of its own.
app = Celery("shop", broker="memory://")


@app.task(ignore_result=True)
def confirm_order(pk: int) -> None:
    confirm(Order.objects.get(pk=pk))
