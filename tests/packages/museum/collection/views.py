"""The pages for visitors and borrowers."""

from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST
from django.views.generic import CreateView, DeleteView, UpdateView
from guardian.shortcuts import assign_perm
from haystack.query import SearchQuerySet

from collection.models import Booking, Item, Loan, Painting, Report, Sculpture, Tour
from collection.receivers import count_loans, note_check
from collection.signals import loan_changed, report_filed, tour_booked


@receiver(report_filed)  # Fault: only a process that has loaded the URLs has it.
def count_reports(report, **kwargs):
    """How many reports there are."""
    cache.set("reports", Report.objects.count())


def items(request):
    found = cache.get_or_set("items", lambda: list(Item.objects.order_by("pk")))
    return render(request, "collection/items.html", {"items": found})


def item(request, pk):
    found = get_object_or_404(Item.objects.prefetch_related("artists", "tags"), pk=pk)
    return render(request, "collection/item.html", {"item": found})


def search(request):
    found = SearchQuerySet().models(Painting).filter(content=request.GET["q"])
    return render(request, "collection/items.html", {"items": [each.object for each in found]})


class AddPainting(CreateView):
    model = Painting
    fields = ("title", "department", "artists", "picture", "technique", "value", "tags")
    template_name = "collection/form.html"


class ChangePainting(UpdateView):
    model = Painting
    fields = ("title", "artists", "picture", "tags")
    template_name = "collection/form.html"

    def form_valid(self, form):
        response = super().form_valid(form)
        if not self.object.technique:
            self.object.technique = "unknown"
            self.object.save()  # Fault: the form has saved it a moment ago.
        return response


class AddSculpture(CreateView):
    model = Sculpture
    fields = ("title", "department", "material", "tags")
    template_name = "collection/form.html"


class DeleteItem(DeleteView):
    model = Item
    template_name = "collection/form.html"
    success_url = "/items/"


@login_required
@require_POST
def borrow(request, pk):
    loan = Loan.objects.create(item=get_object_or_404(Item, pk=pk), borrower=request.user)
    assign_perm("view_loan", request.user, loan)
    return redirect("/items/")


@login_required
@require_POST
def give_back(request, pk):
    loan = get_object_or_404(Loan, pk=pk)
    loan.give_back()
    loan.save(update_fields=["state"])
    loan.is_overdue = False
    loan.save(update_fields=["is_overdue"])
    return redirect("/items/")


@login_required
@require_POST
def mark_overdue(request):
    """All that are out, by one query, and then by hand what a save would have sent."""
    loans = list(Loan.objects.filter(state="out"))
    Loan.objects.filter(pk__in=[loan.pk for loan in loans]).update(is_overdue=True)
    for loan in loans:
        loan.is_overdue = True
        post_save.send(
            Loan, instance=loan, created=False, raw=False, using="default", update_fields=None
        )
    return redirect("/items/")


@login_required
@require_POST
def return_all(request):
    """The end of the year: everything is back, and nobody is told of each loan."""
    # Fault: count_loans, which keeps how many are out, does not hear of it.
    Loan.objects.filter(state="out").update(state="back")
    return redirect("/items/")


@login_required
@require_POST
def book(request, pk):
    """Seats for a tour, unless there are too few of them."""
    tour = get_object_or_404(Tour, pk=pk)
    try:
        with transaction.atomic():
            booking = Booking.objects.create(
                tour=tour, visitor=request.user, seats=int(request.POST["seats"])
            )
            tour_booked.send(Booking, booking=booking)
            tour.refresh_from_db()
            if tour.seats < 0:
                raise FullError
    except FullError:
        return HttpResponse("full", status=409)
    return redirect("/items/")


class FullError(Exception):
    """There are fewer seats than wanted."""


@login_required
@require_POST
def import_reports(request, pk):
    """Old reports, which say nothing of when an item was looked at last."""
    found = get_object_or_404(Item, pk=pk)
    post_save.disconnect(note_check, sender=Report)
    try:
        for line in request.POST["lines"].splitlines():
            Report.objects.create(item=found, text=line)
    finally:
        post_save.connect(note_check, sender=Report)
    return redirect("/items/")


@login_required
@require_POST
def start_counting(request):
    """For a process that may have begun before the receivers were there."""
    post_save.connect(count_loans, sender=Loan)  # It is, and this does nothing.
    loan_changed.connect(note_change, dispatch_uid="note-change")
    return redirect("/items/")


def note_change(state, **kwargs):
    """What a loan did last."""
    cache.set("last-change", state)


loan_changed.connect(note_change, dispatch_uid="note-change")


@login_required
@require_POST
def stop_telling(request):
    """For the holidays."""
    # Fault: nobody connects it again, and only this process has it no more.
    loan_changed.disconnect(note_change, dispatch_uid="note-change")
    return redirect("/items/")
