"""A model that each of the packages takes an interest in."""

from auditlog.registry import auditlog
from django.db import models
from simple_history.models import HistoricalRecords
from taggit.managers import TaggableManager
from wagtail.models import Page


class Author(models.Model):
    name = models.CharField(max_length=100)


class Book(models.Model):
    title = models.CharField(max_length=100)
    authors = models.ManyToManyField(Author)
    tags = TaggableManager()
    history = HistoricalRecords()


class ReadingList(Page):
    intro = models.TextField(blank=True)


auditlog.register(Book, m2m_fields={"authors"})
