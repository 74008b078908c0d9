"""What the page "What signals are" shows."""

from django.contrib.auth.models import User


def sign_up() -> None:
    """A user signs up."""
    user = User.objects.create_user("ada", email="ada@example.com")
    print(f"{user} signed up and has a profile: {user.profile}")


def sign_up_without_address() -> None:
    """A user signs up without an address."""
    User.objects.create_user("ada")


def before_rename() -> User:
    return User.objects.create_user("ada", email="ada@example.com")


def rename(user: User) -> None:
    """A user is given another name."""
    user.username = "countess"
    user.save()


async def sign_up_twice() -> None:
    """The same name signs up again."""
    await User.objects.acreate_user("ada", email="ada@example.com")
    await User.objects.acreate_user("ada", email="ada@example.com")
