"""Replaces what is in a file, whole: whatever happens meanwhile, it has the former or the new."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress


def replace(path: str | os.PathLike[str], text: str, mode: int = 0o666) -> None:
    """Put ``text``, of ASCII, in the place of what is in the file, or in a new one of this mode.

    The file that is there keeps its mode and its group, and whatever links to it goes on doing so.
    Raises ``OSError``.
    """
    try:
        former = os.stat(path)
    except FileNotFoundError:
        former = None
    if former is not None and not stat.S_ISREG(former.st_mode):
        # A device or a pipe: nothing is to be put in its place.
        with open(path, "w", encoding="ascii") as stream:
            stream.write(text)
        return
    place = os.path.realpath(path)
    beside = f"{place}.{os.getpid()}.{threading.get_ident()}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        # Until it has the mode of the former, it is for its owner alone.
        file = os.open(beside, flags, mode if former is None else 0o600)
        with os.fdopen(file, "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            with suppress(OSError):
                os.fsync(file)
        if former is not None:
            _make_alike(beside, former)
        os.replace(beside, place)
    except BaseException:
        with suppress(OSError):
            os.remove(beside)
        raise


def _make_alike(path: str, former: os.stat_result) -> None:
    mode = stat.S_IMODE(former.st_mode)
    if hasattr(os, "chown") and os.stat(path).st_gid != former.st_gid:
        try:
            os.chown(path, -1, former.st_gid)
        except OSError:  # Another group is not to read what this one may.
            mode &= ~stat.S_IRWXG
    with suppress(OSError):
        os.chmod(path, mode)
