"""Receivers with a pitfall each, and how they are repaired. `shown.py` connects them."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import Signal
from django.utils.text import slugify

from pitfalls.models import Article, Author

article_read = Signal()


def set_slug_after_saving(instance: Article, **kwargs: Any) -> None:
    slug = slugify(instance.title)
    if instance.slug != slug:
        instance.slug = slug
        instance.save()


def set_slug(instance: Article, raw: bool, **kwargs: Any) -> None:
    if not raw:
        instance.slug = slugify(instance.title)


def greet_author(instance: Article, **kwargs: Any) -> None:
    print("published by", instance.author.name)


def greet_author_unless_raw(instance: Article, raw: bool, **kwargs: Any) -> None:
    if not raw:
        print("published by", instance.author.name)


def tell_subscribers(instance: Article, created: bool, **kwargs: Any) -> None:
    if created:
        print("tags:", list(instance.tags.values_list("name", flat=True)))


def tell_subscribers_of_tags(
    instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **kwargs: Any
) -> None:
    if action == "post_add" and not reverse:
        print("tags:", list(instance.tags.values_list("name", flat=True)))


def count_articles(instance: Article, **kwargs: Any) -> None:
    print("articles by them:", Article.objects.filter(author=instance.author_id).count())


def count_articles_there(instance: Article, using: str, **kwargs: Any) -> None:
    articles = Article.objects.using(using).filter(author=instance.author_id)
    print("articles by them:", articles.count())


def connect_lambda() -> None:
    article_read.connect(lambda article, **kwargs: print("read:", article))


def note_reading(article: Article, **kwargs: Any) -> None:
    print("read:", article)


def connect_function() -> None:
    article_read.connect(note_reading)


def connect_by_name() -> None:
    post_save.connect(note_author, sender="pitfalls.Author")


def note_author(instance: Author, **kwargs: Any) -> None:
    print("an author:", instance)
