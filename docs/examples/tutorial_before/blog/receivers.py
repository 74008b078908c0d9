from django.db.models.signals import post_save
from django.dispatch import receiver

from blog.models import Entry, Post


@receiver(post_save, sender=Post, dispatch_uid="blog.index_post")
def index_post(sender, instance, raw, **kwargs):
    """Keep the search in step with the posts."""
    if not raw:
        words = instance.title.lower()
        Entry.objects.update_or_create(post=instance, defaults={"words": words})
