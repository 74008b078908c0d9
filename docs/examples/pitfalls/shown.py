"""What the page "Pitfalls" shows."""

import json
from pathlib import Path
from tempfile import mkdtemp

from django.core.management import call_command
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.db.models.signals import m2m_changed, post_save, pre_save

from pitfalls import naive
from pitfalls.models import Article, Author, Draft, Interview, Tag


def before_update() -> None:
    Article.objects.create(title="Clay")
    Article.objects.create(title="Glaze")


def update() -> None:
    """All titles get a mark."""
    Article.objects.update(title=Concat(F("title"), Value("!")))


def before_save_thrice() -> Article:
    return Article.objects.create(title="Clay")


def save_thrice(article: Article) -> None:
    """A form is saved field by field."""
    article.title = "Clay and glaze"
    article.save()
    article.author = Author.objects.create(name="Ada")
    article.save()
    article.slug = "clay-and-glaze"
    article.save()


def before_save_once() -> Article:
    return Article.objects.create(title="Clay")


def save_once(article: Article) -> None:
    """A form is saved once."""
    article.title = "Clay and glaze"
    article.author = Author.objects.create(name="Ada")
    article.slug = "clay-and-glaze"
    article.save()


def before_slug_after_saving() -> None:
    post_save.connect(naive.set_slug_after_saving, sender=Article)


def slug_after_saving() -> None:
    """A receiver saves what was saved."""
    Article.objects.create(title="Clay and glaze")


def before_slug_before_saving() -> None:
    pre_save.connect(naive.set_slug, sender=Article)


def slug_before_saving() -> None:
    """A receiver sets what will be saved."""
    Article.objects.create(title="Clay and glaze")


def _fixture() -> Path:
    """The article comes before its author, as dumpdata may well write it."""
    rows = [
        {"model": "pitfalls.article", "pk": 1, "fields": {"title": "Clay", "author": 1}},
        {"model": "pitfalls.author", "pk": 1, "fields": {"name": "Ada"}},
    ]
    path = Path(mkdtemp()) / "articles.json"
    path.write_text(json.dumps(rows))
    return path


def before_load_naively() -> Path:
    post_save.disconnect(sender=Article, dispatch_uid="pitfalls.forget_page")
    post_save.connect(naive.greet_author, sender=Article)
    return _fixture()


def load_naively(fixture: Path) -> None:
    """A fixture has an article before its author."""
    try:
        call_command("loaddata", fixture, verbosity=0)
    except Author.DoesNotExist:
        print("loaddata fails, and nothing is loaded.")


def before_load() -> Path:
    post_save.disconnect(sender=Article, dispatch_uid="pitfalls.forget_page")
    post_save.connect(naive.greet_author_unless_raw, sender=Article)
    return _fixture()


def load(fixture: Path) -> None:
    """The same fixture, and the receiver looks at raw."""
    call_command("loaddata", fixture, verbosity=0)
    print("written by", Article.objects.get().author)


def save_draft() -> None:
    """A proxy is saved."""
    Draft.objects.create(title="Clay")


def save_interview() -> None:
    """A child with a table of its own is saved."""
    Interview.objects.create(title="A talk", guest="Grace")


def before_save_all_three() -> None:
    from pitfalls.receivers import forget_page

    post_save.connect(forget_page, sender=Draft)
    post_save.connect(forget_page, sender=Interview)


def save_all_three() -> None:
    """Connected to all three classes."""
    Article.objects.create(title="Clay")
    Draft.objects.create(title="Glaze")
    Interview.objects.create(title="A talk", guest="Grace")


def before_tags_too_early() -> Tag:
    post_save.connect(naive.tell_subscribers, sender=Article)
    return Tag.objects.create(name="pottery")


def tags_too_early(tag: Tag) -> None:
    """Tags are looked at in post_save."""
    article = Article.objects.create(title="Clay")
    article.tags.set([tag])


def before_tags_changed() -> Tag:
    m2m_changed.connect(naive.tell_subscribers_of_tags, sender=Article.tags.through)
    return Tag.objects.create(name="pottery")


def tags_changed(tag: Tag) -> None:
    """Tags are looked at in m2m_changed."""
    article = Article.objects.create(title="Clay")
    article.tags.set([tag])


def before_other_database() -> Author:
    post_save.connect(naive.count_articles, sender=Article)
    return Author.objects.using("archive").create(name="Ada")


def other_database(author: Author) -> None:
    """An article is saved in the archive."""
    Article.objects.using("archive").create(title="Clay", author=author)


def before_same_database() -> Author:
    post_save.connect(naive.count_articles_there, sender=Article)
    return Author.objects.using("archive").create(name="Ada")


def same_database(author: Author) -> None:
    """An article is saved in the archive, and counted there."""
    Article.objects.using("archive").create(title="Clay", author=author)


def before_migrate() -> None:
    call_command("migrate", "pitfalls", "0001", verbosity=0)
    Article.objects.create(title="Clay")


def migrate() -> None:
    """A migration changes data."""
    call_command("migrate", "pitfalls", "0002", verbosity=0)


def before_lambda_is_gone() -> Article:
    naive.connect_lambda()
    return Article.objects.create(title="Clay")


def lambda_is_gone(article: Article) -> None:
    """A signal with a lambda that was connected weakly."""
    naive.article_read.send(sender=Article, article=article)


def before_function_is_there() -> Article:
    naive.connect_function()
    return Article.objects.create(title="Clay")


def function_is_there(article: Article) -> None:
    """A signal with a function of a module."""
    naive.article_read.send(sender=Article, article=article)


def import_in_a_circle() -> None:
    """Two modules import each other."""
    try:
        from pitfalls.circular import shop  # noqa: F401
    except ImportError as error:
        print(str(error).partition(" (/")[0])


def before_connected_by_name() -> None:
    naive.connect_by_name()


def connected_by_name() -> None:
    """A receiver whose sender is a string."""
    Author.objects.create(name="Ada")
