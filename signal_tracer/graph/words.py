"""Words for what a graph holds: what a signal stands for, and what a receiver call did."""

from __future__ import annotations

from dataclasses import dataclass

# What Django sends is known by what people do; the signal is named where two say the same.
_MODELS = "django.db.models.signals."
_DOING = {
    f"{_MODELS}{name}": (doing, does, done, "" if name.startswith("post") else f" ({name})")
    for kind, doing, does, done in (
        ("init", "making", "makes", "made"),
        ("save", "saving", "saves", "saved"),
        ("delete", "deleting", "deletes", "deleted"),
    )
    for name in (f"pre_{kind}", f"post_{kind}")
}
_DOING[f"{_MODELS}m2m_changed"] = ("changing", "changes", "changed", "")


@dataclass(frozen=True, slots=True, order=True)
class Sent:
    """One signal by one sender: what a dispatch is of."""

    signal: str
    sender: str

    @property
    def doing(self) -> str:
        """``saving shop.Order``; ``sending shop.signals.paid from shop.Order``."""
        known = _DOING.get(self.signal)
        if known is None:
            return f"sending {self._named()}"
        return f"{known[0]} {self.sender}{known[3]}"

    @property
    def does(self) -> str:
        """``saves shop.Order``"""
        return self._in(1, "sends")

    @property
    def did(self) -> str:
        """``saved shop.Order``"""
        return self._in(2, "sent")

    @property
    def is_of_rows(self) -> bool:
        """Whether Django sends it for what is done to a model."""
        return self.signal in _DOING

    @property
    def is_of_instances(self) -> bool:
        """Whether it is sent for each instance that is made, by whoever loads a row."""
        return self.signal.endswith(("signals.pre_init", "signals.post_init")) and self.is_of_rows

    def _in(self, form: int, verb: str) -> str:
        known = _DOING.get(self.signal)
        return f"{verb} {self._named()}" if known is None else f"{known[form]} {self.sender}"

    def _named(self) -> str:
        return self.signal if self.sender == "None" else f"{self.signal} from {self.sender}"


def wrote(write: str, before: bool = False) -> str:
    """``INSERT notifications_sms`` as what somebody does, or did before."""
    verb, _, table = write.partition(" ")
    if not table:  # The statement did not say it plainly.
        return f"{'wrote' if before else 'writes'} by {verb}"
    does, did = {
        "UPDATE": ("updates", "updated"),
        "DELETE": ("deletes from", "deleted from"),
    }.get(verb, ("writes to", "wrote to"))
    return f"{did if before else does} {table}"


def bypassed(bypass: str, before: bool = False) -> str:
    return f"{'did' if before else 'does'} {bypass} past its receivers"


def registered(callback: str, before: bool = False) -> str:
    return f"{'left' if before else 'leaves'} {callback} to on_commit()"


_ERRANDS = {
    "thread": ("starts", "started", "a thread", "the thread"),
    "task": ("queues", "queued", "a task", "the task"),
    "mail": ("sends", "sent", "mail", "mail by"),
    "network": ("calls", "called", "a server", "a server by"),
}


def started(errand: str, before: bool = False) -> str:
    """``task shop.tasks.notify`` as what somebody does, or did before."""
    kind, _, target = errand.partition(" ")
    does, did, alone, named = _ERRANDS.get(kind, ("starts", "started", kind, kind))
    return f"{did if before else does} {f'{named} {target}' if target else alone}"


def is_of_tests(name: str) -> bool:
    """Whether a dotted name is that of something in a module of tests, which nobody reviews."""
    return any(
        part in ("tests", "conftest") or part.startswith("test_") for part in name.split(".")
    ) or name.startswith(("unittest.", "django.test."))
