import os
import signal
import threading
from pathlib import Path

from django.conf import settings
from django.dispatch import Signal, receiver

SECONDS = 30

paid = Signal()
shipped = Signal()
# With several tasks at a time in one process: so many are in the midst of a receiver at once.
at_once = threading.Barrier(int(os.environ.get("SHOP_TASKS_AT_ONCE", "1")))


@receiver(paid)
def ship(sender: object, order: int, **kwargs: object) -> None:
    at_once.wait(SECONDS)
    shipped.send("the shop", order=order)
    at_once.wait(SECONDS)


@receiver(shipped)
def meet_an_accident(sender: object, order: int, **kwargs: object) -> None:
    """In the middle of a task, and of a trace: once a process is killed, once a whole worker."""
    if _happens("SHOP_KILLS_PROCESS", order):
        os.kill(os.getpid(), signal.SIGKILL)
    if _happens("SHOP_KILLS_WORKER", order):
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def _happens(name: str, order: int) -> bool:
    if os.environ.get(name) != str(order):
        return False
    try:
        Path(settings.FOLDER, name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
