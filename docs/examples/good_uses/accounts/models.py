from django.conf import settings
from django.db import models


class Profile(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    newsletter = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"Profile of {self.user}"
