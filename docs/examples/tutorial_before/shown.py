"""What the tutorial shows before the first finding is mended."""

from blog.models import Post


def write() -> None:
    """manage.py shell"""
    Post.objects.create(title="Hello")
