from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=40)
    stock = models.IntegerField(default=10)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    email = models.EmailField(blank=True)
    total = models.IntegerField(default=0)

    def __str__(self) -> str:
        return f"Order {self.pk}"


class Item(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"{self.product} of {self.order}"


class Invoice(models.Model):
    order = models.OneToOneField(Order, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"Invoice for {self.order}"
