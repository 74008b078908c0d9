"""The office: each of the models, by the admin of the package that it needs."""

from django.contrib import admin
from django.utils.timezone import localdate
from guardian.admin import GuardedModelAdmin
from import_export import resources
from import_export.admin import ImportExportModelAdmin
from mptt.admin import DraggableMPTTAdmin
from reversion.admin import VersionAdmin
from simple_history.admin import SimpleHistoryAdmin

from collection.models import (
    Artist,
    Booking,
    Department,
    Item,
    Loan,
    Masterpiece,
    Note,
    Painting,
    Profile,
    Report,
    Sculpture,
    Tour,
)


class ReportInline(admin.TabularInline):
    model = Report
    fk_name = "item"
    extra = 1


@admin.action(description="Mark as checked today")
def mark_checked(modeladmin, request, queryset):
    queryset.update(checked_on=localdate())


@admin.action(description="Check one by one")
def check_each(modeladmin, request, queryset):
    for item in queryset:
        item.checked_on = localdate()
        item.save()


@admin.register(Item)
class ItemAdmin(admin.ModelAdmin):
    actions = [mark_checked, check_each]


@admin.register(Painting)
class PaintingAdmin(GuardedModelAdmin, SimpleHistoryAdmin):
    inlines = [ReportInline]
    actions = [mark_checked, check_each]
    list_display = ["title", "value"]
    list_editable = ["value"]


@admin.register(Masterpiece)
class MasterpieceAdmin(admin.ModelAdmin):
    fields = ["title", "technique", "value"]


@admin.register(Sculpture)
class SculptureAdmin(VersionAdmin):
    inlines = [ReportInline]


class ArtistResource(resources.ModelResource):
    class Meta:
        model = Artist
        fields = ("id", "name", "born")


@admin.register(Artist)
class ArtistAdmin(ImportExportModelAdmin):
    resource_classes = [ArtistResource]


admin.site.register(Department, DraggableMPTTAdmin)


@admin.register(Loan)
class LoanAdmin(GuardedModelAdmin):
    actions = ["approve"]

    @admin.action(description="Approve")
    def approve(self, request, queryset):
        for loan in queryset:
            loan.approve()
            loan.save()


admin.site.register([Booking, Note, Profile, Report, Tour])
