"""What the page "What signals are" shows."""

from django.contrib.auth.models import User
from django.db.models import signals

from accounts import dispatched, observer
from accounts.models import Badge, Profile
from accounts.receivers import see, welcome
from accounts.signals import profile_made


def with_observers() -> None:
    """An account is closed: observers."""
    account = observer.Account("ada")
    account.attach(observer.Archive())
    account.close()


def with_a_signal() -> None:
    """An account is closed: a signal."""
    account = dispatched.Account("ada")
    account.close()


def sign_up() -> None:
    """A user signs up."""
    user = User.objects.create_user("ada", email="ada@example.com")
    print(f"{user} signed up and has a profile: {user.profile}")


def before_sent_plainly() -> User:
    profile_made.disconnect(dispatch_uid="accounts.welcome")
    user = User.objects.create_user("ada")
    profile_made.connect(welcome, dispatch_uid="accounts.welcome")
    return user


def sent_plainly(user: User) -> None:
    """send()"""
    profile_made.send(Profile, user=user, profile=user.profile)
    print("everyone was told")


before_sent_robustly = before_sent_plainly


def sent_robustly(user: User) -> None:
    """send_robust()"""
    for receiver, response in profile_made.send_robust(Profile, user=user, profile=user.profile):
        print(f"{receiver.__name__} answered {response!r}")
    print("everyone was told")


SENT_BY_A_MODEL = (
    *(signals.pre_init, signals.post_init, signals.pre_save, signals.post_save),
    *(signals.pre_delete, signals.post_delete),
)
OF_A_RELATION = (signals.m2m_changed, signals.pre_save, signals.post_save)


def before_a_whole_life() -> tuple[User, Badge]:
    signals.post_save.disconnect(dispatch_uid="accounts.make_profile", sender=User)
    made = User.objects.create_user("ada"), Badge.objects.create(name="first")
    for signal in SENT_BY_A_MODEL:
        signal.connect(see, sender=Profile)
    for signal in (*OF_A_RELATION, signals.pre_delete, signals.post_delete):
        signal.connect(see, sender=Profile.badges.through)
    return made


def a_whole_life(made: tuple[User, Badge]) -> None:
    """A profile is made, gets a badge, and is deleted."""
    user, badge = made
    profile = Profile.objects.create(user=user)
    profile.badges.add(badge)
    profile.delete()
