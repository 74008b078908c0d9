"""What the page "Four good uses" shows."""

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.db.models.signals import post_delete, post_save
from good_uses import naive

from accounts.models import Profile
from search.indexing import index
from search.models import SearchEntry
from shop.models import Product
from shop.orders import SoldOutError, place_order
from shop.signals import order_placed


def sign_up() -> None:
    """A user signs up."""
    User.objects.create_user("ada")


def before_load_users_naively() -> None:
    post_save.disconnect(sender=User, dispatch_uid="accounts.create_profile")
    post_save.connect(naive.create_profile, sender=User)


def load_users_naively() -> None:
    """A fixture is loaded, and nobody looks at raw."""
    try:
        call_command("loaddata", "users", verbosity=0)
    except IntegrityError as error:
        print(error.__cause__)


def load_users() -> None:
    """A fixture is loaded."""
    call_command("loaddata", "users", verbosity=0)


def import_users() -> None:
    """Users are imported in bulk."""
    User.objects.bulk_create([User(username="ada"), User(username="grace")])
    print(User.objects.filter(profile=None).count(), "users without a profile")


def import_users_with_profiles() -> None:
    """Users are imported in bulk, with their profiles."""
    users = User.objects.bulk_create([User(username="ada"), User(username="grace")])
    Profile.objects.bulk_create([Profile(user=user) for user in users])
    print(User.objects.filter(profile=None).count(), "users without a profile")


def log_in_badly() -> None:
    """Somebody guesses a password."""
    authenticate(None, username="ada", password="1234")


def before_order_sold_out_naively() -> Product:
    order_placed.disconnect(dispatch_uid="audit.confirm_order")
    order_placed.connect(naive.confirm_order)
    return Product.objects.create(name="Egg cup")


def order_sold_out_naively(product: Product) -> None:
    """Sold out, and mailed at once."""
    try:
        place_order(product, "ada@example.com", left=0)
    except SoldOutError:
        print("The page says: sold out.")


def before_order_sold_out() -> Product:
    return Product.objects.create(name="Egg cup")


def order_sold_out(product: Product) -> None:
    """Sold out, and mailed after the commit."""
    try:
        place_order(product, "ada@example.com", left=0)
    except SoldOutError:
        print("The page says: sold out.")


def before_order() -> Product:
    return Product.objects.create(name="Egg cup")


def order(product: Product) -> None:
    """An order is placed."""
    place_order(product, "ada@example.com", left=3)


def before_rename() -> Product:
    return Product.objects.create(name="Egg cup")


def rename(product: Product) -> None:
    """A product gets another name."""
    product.name = "Cup for eggs"
    product.save()


def before_rename_all() -> None:
    Product.objects.create(name="Egg cup")
    Product.objects.create(name="Egg plate")


def rename_all() -> None:
    """All products get another name."""
    Product.objects.update(name="Seconds")
    print("The search knows:", *SearchEntry.objects.values_list("words", flat=True))


def before_rename_all_and_index() -> None:
    before_rename_all()


def rename_all_and_index() -> None:
    """All products get another name, and are indexed."""
    Product.objects.update(name="Seconds")
    index(Product.objects.all())
    print("The search knows:", *SearchEntry.objects.values_list("words", flat=True))


def _pictured() -> Product:
    product = Product(name="Egg cup")
    product.picture.save("cup.png", ContentFile(b"png"))
    return product


def before_delete_naively() -> Product:
    post_delete.disconnect(sender=Product, dispatch_uid="shop.delete_picture")
    post_delete.connect(naive.delete_picture, sender=Product)
    return _pictured()


def delete_naively(product: Product) -> None:
    """The file is removed at once."""
    _delete_and_think_again(product)


def before_delete() -> Product:
    return _pictured()


def delete(product: Product) -> None:
    """The file is removed after the commit."""
    _delete_and_think_again(product)


def _delete_and_think_again(product: Product) -> None:
    with transaction.atomic():
        product.delete()
        transaction.set_rollback(True)
    row = "there" if Product.objects.exists() else "gone"
    file = "there" if default_storage.exists("cup.png") else "gone"
    print(f"row: {row}, file: {file}")


def before_delete_for_good() -> Product:
    return _pictured()


def delete_for_good(product: Product) -> None:
    """A product is deleted."""
    product.delete()
