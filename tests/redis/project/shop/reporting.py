import os
import socket

from signal_tracer import Trace


def send(trace: Trace) -> None:
    """To whoever started all this, and listens."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["SHOP_INBOX"])
        connection.sendall(trace.to_json().encode())
