from django.db import models


class Post(models.Model):
    title = models.CharField(max_length=80)
    slug = models.SlugField(blank=True)

    def __str__(self):
        return self.title


class Entry(models.Model):
    """What the search knows of a post."""

    post = models.OneToOneField(Post, on_delete=models.CASCADE)
    words = models.TextField()

    def __str__(self):
        return self.words
