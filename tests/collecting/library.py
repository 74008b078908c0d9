"""Models for the tests of what is seen of the ORM; ``library_tables`` makes their tables."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models


class Shelf(models.QuerySet[Any]):
    """A queryset whose ``update()`` is its own and calls Django's."""

    def update(self, **kwargs: Any) -> int:
        return super().update(**kwargs)

    def lend(self) -> int:
        return self.update(is_lent=True)


class Author(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "library"


class Tag(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "library"


class Dated(models.Model):
    """Abstract: never a sender itself."""

    year = models.IntegerField(default=2000)

    class Meta:
        app_label = "library"
        abstract = True


class Book(Dated):
    title = models.CharField(max_length=50)
    author = models.ForeignKey(
        Author, on_delete=models.SET_NULL, null=True, blank=True, related_name="books"
    )
    is_lent = models.BooleanField(default=False)
    tags = models.ManyToManyField(Tag, related_name="books")
    readers = models.ManyToManyField(Author, through="Loan", related_name="loans")

    objects: ClassVar[Any] = models.Manager()
    shelf: ClassVar[Any] = Shelf.as_manager()

    class Meta:
        app_label = "library"


class Loan(models.Model):
    book = models.ForeignKey(Book, on_delete=models.CASCADE)
    reader = models.ForeignKey(Author, on_delete=models.CASCADE)

    class Meta:
        app_label = "library"


class OldBook(Book):
    class Meta:
        app_label = "library"
        proxy = True


class Novel(Book):
    """A child with a table of its own."""

    pages = models.IntegerField(default=1)

    class Meta:
        app_label = "library"


class Counted(models.Model):
    """Counts its saves with an ``update()`` of its own row, inside ``save()``."""

    title = models.CharField(max_length=50)
    saves = models.IntegerField(default=0)

    class Meta:
        app_label = "library"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        Counted.objects.filter(pk=self.pk).update(saves=models.F("saves") + 1)

    def save_and_reset(self) -> None:
        self.save()
        Counted.objects.update(saves=0)


MODELS: list[type[models.Model]] = [Author, Tag, Book, Loan, Novel, Counted]


def empty_tables() -> None:
    through: Any = Book.tags.through
    for model in (through, *reversed(MODELS)):
        model._default_manager.all()._raw_delete("default")  # type: ignore[attr-defined]  # Django's own
