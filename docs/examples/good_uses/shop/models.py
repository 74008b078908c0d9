from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=100)
    picture = models.FileField(blank=True)

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    email = models.EmailField()
    product = models.ForeignKey(Product, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"Order {self.pk}"
