"""What can be searched for."""

from haystack import indexes

from collection.models import Painting


class PaintingIndex(indexes.SearchIndex, indexes.Indexable):
    text = indexes.CharField(document=True, model_attr="title")

    def get_model(self):
        return Painting
