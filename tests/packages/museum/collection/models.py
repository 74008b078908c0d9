"""What a museum has: items of two kinds, where they stand, who lends them, what is shown."""

from auditlog.registry import auditlog
from django.conf import settings
from django.db import models
from django_fsm import FSMField, transition
from easy_thumbnails.fields import ThumbnailerImageField
from imagekit.models import ImageSpecField
from imagekit.processors import ResizeToFit
from mptt.models import MPTTModel, TreeForeignKey
from simple_history.models import HistoricalRecords
from taggit.managers import TaggableManager
from wagtail.admin.panels import FieldPanel
from wagtail.fields import RichTextField
from wagtail.models import Page
from wagtail.snippets.models import register_snippet


class Department(MPTTModel):
    name = models.CharField(max_length=100)
    parent = TreeForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="children"
    )
    item_count = models.PositiveIntegerField(default=0, editable=False)

    class MPTTMeta:
        order_insertion_by = ("name",)

    def __str__(self):
        return self.name


@register_snippet
class Artist(models.Model):
    name = models.CharField(max_length=100)
    born = models.PositiveIntegerField(null=True, blank=True)
    history = HistoricalRecords()

    panels = [FieldPanel("name"), FieldPanel("born")]

    def __str__(self):
        return self.name


class Item(models.Model):
    title = models.CharField(max_length=100)
    slug = models.SlugField(blank=True)
    department = TreeForeignKey(Department, on_delete=models.CASCADE, related_name="items")
    artists = models.ManyToManyField(Artist, blank=True)
    picture = ThumbnailerImageField(upload_to="pictures", blank=True)
    postcard = ImageSpecField(source="picture", processors=[ResizeToFit(120, 80)], format="PNG")
    value = models.PositiveIntegerField(null=True, blank=True)
    checked_on = models.DateField(null=True, blank=True)
    tags = TaggableManager(blank=True)

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return f"/items/{self.pk}/"


class Painting(Item):
    technique = models.CharField(max_length=100, blank=True)
    history = HistoricalRecords()


class Masterpiece(Painting):
    """One that nobody may lend; the same rows, with an office of its own."""

    class Meta:
        proxy = True


class Sculpture(Item):
    material = models.CharField(max_length=100, blank=True)


class Report(models.Model):
    """On the condition that an item is in."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="reports")
    text = models.CharField(max_length=200)
    number = models.CharField(max_length=20, blank=True, editable=False)
    is_urgent = models.BooleanField(default=False)

    def __str__(self):
        return self.text


class Loan(models.Model):
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="loans")
    borrower = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="loans"
    )
    state = FSMField(default="asked", protected=False)
    is_overdue = models.BooleanField(default=False)

    class Meta:
        permissions = [("approve_loan", "Can approve a loan")]

    def __str__(self):
        return f"{self.item} to {self.borrower}"

    @transition(field=state, source="asked", target="out")
    def approve(self):
        """It may leave the house."""

    @transition(field=state, source="out", target="back")
    def give_back(self):
        """It is in the house again."""


class Tour(models.Model):
    name = models.CharField(max_length=100)
    seats = models.IntegerField()

    def __str__(self):
        return self.name


class Booking(models.Model):
    tour = models.ForeignKey(Tour, on_delete=models.CASCADE, related_name="bookings")
    visitor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="bookings"
    )
    seats = models.PositiveIntegerField()

    def __str__(self):
        return f"{self.seats} for {self.tour}"


class Profile(models.Model):
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile"
    )
    visits = models.PositiveIntegerField(default=0)
    unread = models.PositiveIntegerField(default=0)

    def __str__(self):
        return f"profile of {self.user}"


class Note(models.Model):
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notes"
    )
    text = models.CharField(max_length=200)

    def __str__(self):
        return self.text


class Exhibition(Page):
    intro = models.CharField(max_length=200, blank=True)
    body = RichTextField(blank=True)

    content_panels = [*Page.content_panels, FieldPanel("intro"), FieldPanel("body")]


auditlog.register(Loan)
auditlog.register(Painting, m2m_fields={"artists"})
