from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    name = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.name


class Article(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, null=True)
    title = models.CharField(max_length=40)
    slug = models.CharField(max_length=40, blank=True)
    tags = models.ManyToManyField(Tag)

    def __str__(self) -> str:
        return self.title


class Draft(Article):
    """The same table, another class."""

    class Meta:
        proxy = True


class Interview(Article):
    """A table of its own, whose rows belong to rows of Article."""

    guest = models.CharField(max_length=40)
