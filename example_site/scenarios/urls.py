"""The index, and one page a scenario."""

from django.urls import path

from scenarios import views

urlpatterns = [
    path("", views.index, name="index"),
    path("checkout/", views.checkout, name="checkout"),
    path("observer/", views.observer, name="observer"),
    path("profile/", views.profile, name="profile"),
    path("newsletter/", views.newsletter, name="newsletter"),
    path("delivery/", views.delivery, name="delivery"),
    path("deletion/", views.deletion, name="deletion"),
    path("import/", views.bulk_import, name="import"),
    path("proxy/", views.proxy, name="proxy"),
    path("rollback/", views.rollback, name="rollback"),
    path("before-commit/", views.before_commit, name="before-commit"),
    path("half-way/", views.half_way, name="half-way"),
    path("unimported/", views.unimported, name="unimported"),
    path("stock-list/", views.stock_list, name="stock-list"),
    path("saves/", views.saves, name="saves"),
    path("twice/", views.twice, name="twice"),
    path("fragile/", views.fragile, name="fragile"),
    path("stocktaking/", views.stocktaking, name="stocktaking"),
    path("four-ways/", views.four_ways, name="four-ways"),
    path("five-steps/", views.five_steps, name="five-steps"),
    path("nothing/", views.nothing, name="nothing"),
]
