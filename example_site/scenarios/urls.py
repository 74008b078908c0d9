"""The index, and one page a scenario."""

from django.urls import path

from scenarios import views

urlpatterns = [
    path("", views.index, name="index"),
    path("checkout/", views.checkout, name="checkout"),
    path("profile/", views.profile, name="profile"),
    path("newsletter/", views.newsletter, name="newsletter"),
    path("delivery/", views.delivery, name="delivery"),
    path("deletion/", views.deletion, name="deletion"),
    path("nothing/", views.nothing, name="nothing"),
]
