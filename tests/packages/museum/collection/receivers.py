"""What follows from what: most of it as it should be, some of it as it is found in real projects.

Each fault has a comment that begins with "Fault".
"""

from allauth.account.signals import user_signed_up
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core.cache import cache
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.dispatch import receiver
from django.utils.text import slugify
from django.utils.timezone import localdate
from django_fsm.signals import post_transition
from easy_thumbnails.signal_handlers import generate_aliases
from easy_thumbnails.signals import saved_file
from import_export.signals import post_import
from wagtail.signals import page_published, page_unpublished

from collection.models import (
    Artist,
    Booking,
    Department,
    Exhibition,
    Item,
    Loan,
    Note,
    Painting,
    Profile,
    Report,
    Sculpture,
    Tour,
)
from collection.signals import loan_changed, report_filed, tour_booked

User = get_user_model()

saved_file.connect(generate_aliases)  # as the documentation of easy-thumbnails says


# People


@receiver(post_save, sender=User)
def create_profile(instance, created, raw, **kwargs):
    """Everybody has a profile."""
    if created and not raw:
        Profile.objects.create(user=instance)


@receiver(user_signed_up)
def welcome(user, **kwargs):
    """A mail to whoever has just come, once it is sure that they have."""
    transaction.on_commit(lambda: send_mail("Welcome", "Come in.", None, [user.email]))


@receiver(user_logged_in)
def count_visit(user, **kwargs):
    """How often somebody was here."""
    Profile.objects.filter(user=user).update(visits=F("visits") + 1)


# Items


@receiver(pre_save, sender=Item)
@receiver(pre_save, sender=Painting)
@receiver(pre_save, sender=Sculpture)
def make_slug(instance, **kwargs):
    """The address of an item is its title."""
    instance.slug = instance.slug or slugify(instance.title)


@receiver([post_save, post_delete], sender=Item)
def count_items(instance, **kwargs):
    """Keep ``Department.item_count``."""
    # Fault: nobody saves an Item, but a Painting or a Sculpture, which are other senders.
    Department.objects.filter(pk=instance.department_id).update(
        item_count=Item.objects.filter(department=instance.department_id).count()
    )


@receiver(post_save, sender=Painting)
@receiver(post_save, sender=Sculpture)
@receiver(post_delete, sender=Painting)
@receiver(post_delete, sender=Sculpture)
def forget_list(**kwargs):
    """The list of items is kept in the cache."""
    cache.delete("items")


@receiver(m2m_changed, sender=Item.artists.through)
def forget_artists(instance, action, **kwargs):
    """So is the list of each artist."""
    if action.startswith("post_"):
        cache.delete(f"artists-{instance.pk}")


@receiver(post_save, sender=Artist)
def greet_artist(instance, created, **kwargs):
    """An artist who is new in the house is announced."""
    if created:
        transaction.on_commit(lambda: cache.set("new-artist", instance.pk))


@receiver(pre_delete, sender=Department)
def tell_of_closing(instance, **kwargs):
    """A department is going to close."""
    cache.set("closing", instance.name)


# Reports


@receiver(post_save, sender=Report)
def number_report(instance, created, **kwargs):
    """A report has a number, which is made of its key."""
    if created:
        instance.number = f"R{instance.pk:04}"
        instance.save()  # Fault: saved twice, and all receivers run twice.


@receiver(post_save, sender=Report)
def note_check(instance, **kwargs):
    """An item was looked at today."""
    Item.objects.filter(pk=instance.item_id).update(checked_on=localdate())


@receiver(post_save, sender=Report)
def file_report(instance, created, **kwargs):
    """Whoever wants to hear of reports does."""
    if created:
        report_filed.send(Report, report=instance)


@receiver(report_filed)
def tell_curators(report, **kwargs):
    """Each of the curators of an item's department hears of an urgent report."""
    if not report.is_urgent:
        return
    for curator in User.objects.filter(is_staff=True):
        # Fault: two queries for each of them.
        if curator.profile.visits > 0:
            Note.objects.create(recipient=curator, text=f"{report} needs attention")


@receiver(post_save, sender=Note)
def count_notes(instance, created, **kwargs):
    """How many notes somebody has not read."""
    # Fault: a row for each note, four dispatches below the line that saved a report.
    if created:
        profile = instance.recipient.profile
        profile.unread += 1
        profile.save(update_fields=["unread"])


# Loans


@receiver(post_transition, sender=Loan)
def tell_of_transition(instance, target, **kwargs):
    """A loan went from one state to another."""
    loan_changed.send_robust(Loan, instance=instance, state=target)


@receiver(loan_changed)
def tell_borrower(instance, state, **kwargs):
    """Whoever borrows an item hears what became of it."""
    Note.objects.create(recipient=instance.borrower, text=f"{instance} is {state}")


@receiver(loan_changed)
def tell_insurer(instance, state, **kwargs):
    """An insurer wants to know what a thing is worth."""
    # Fault: an item may have no value, and send_robust() keeps that to itself.
    premium = instance.item.value // 100
    cache.set(f"premium-{instance.pk}", premium)


@receiver(loan_changed)
async def tell_guards(instance, state, **kwargs):
    """The guards let out only what may go."""


@receiver(post_save, sender=Loan)
def count_loans(instance, **kwargs):
    """How many are out."""
    cache.set("out", Loan.objects.filter(state="out").count())


# Tours


@receiver(pre_save, sender=Booking)
def take_seats(instance, **kwargs):
    """A tour has as many seats as it has."""
    Tour.objects.filter(pk=instance.tour_id).update(seats=F("seats") - instance.seats)


@receiver(tour_booked)
def confirm(booking, **kwargs):
    """Tell a visitor that there is a seat."""
    # Fault: the booking may yet be rolled back, and the mail is gone.
    send_mail("Your tour", f"{booking}", None, [booking.visitor.email])


@receiver(tour_booked)
def print_ticket(booking, **kwargs):
    """Tickets are printed for what is booked, and no sooner."""
    transaction.on_commit(lambda: cache.set(f"ticket-{booking.pk}", str(booking)))


# Pages


@receiver(page_published)
def forget_pages(sender, **kwargs):
    """The list of pages is kept in the cache."""
    cache.delete("pages")


# Fault: it was connected for all pages once, and for these again.
page_published.connect(forget_pages, sender=Exhibition)
page_unpublished.connect(forget_pages, sender=Exhibition)


@receiver(post_import)
def note_import(model, **kwargs):
    """When rows of a model came last."""
    cache.set(f"import-{model._meta.label}", localdate())
