from when_not_to.shop.models import BaseOrder


class Order(BaseOrder):
    pass
