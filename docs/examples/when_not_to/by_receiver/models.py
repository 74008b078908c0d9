from shop.models import BaseOrder


class Order(BaseOrder):
    pass
