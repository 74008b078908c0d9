"""What the tutorial shows after the first finding was mended."""

from blog.models import Post


def write() -> None:
    """manage.py shell"""
    Post.objects.create(title="Hello")


def write_two() -> None:
    """manage.py shell"""
    Post.objects.bulk_create([Post(title="One"), Post(title="Two")])
