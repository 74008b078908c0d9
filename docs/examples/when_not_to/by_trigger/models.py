from when_not_to.shop.models import BaseOrder


class Order(BaseOrder):
    """Its stock is kept by a trigger; see the migration."""
