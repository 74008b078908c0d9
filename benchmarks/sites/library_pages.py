"""The library's own pages: a list, a form, the admin of its books and an API."""

from __future__ import annotations

from django.contrib import admin
from django.views.generic import CreateView, ListView
from guardian.admin import GuardedModelAdmin
from library.models import Author, Book
from rest_framework.routers import DefaultRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet
from simple_history.admin import SimpleHistoryAdmin


class BookList(ListView):
    queryset = Book.objects.prefetch_related("authors", "tags")
    paginate_by = 25
    template_name = "list.html"


class AddBook(CreateView):
    model = Book
    fields = ("title", "authors", "tags")
    template_name = "form.html"
    success_url = "/books/"


class BookSerializer(ModelSerializer):
    class Meta:
        model = Book
        fields = ("id", "title", "authors")


class BookViewSet(ModelViewSet):
    queryset = Book.objects.prefetch_related("authors")
    serializer_class = BookSerializer


api = DefaultRouter()
api.register("books", BookViewSet)


@admin.register(Book)
class BookAdmin(GuardedModelAdmin, SimpleHistoryAdmin):
    list_display = ("title", "id")
    search_fields = ("title",)


admin.site.register(Author)
