"""Telling a service manager how the server is: systemd's protocol of sd_notify(3), one datagram each.

Nothing is told where nobody asked (no NOTIFY_SOCKET), and a manager that does not listen stops nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time

#: Names the socket: a path, or an abstract name after "@".
_SOCKET = "NOTIFY_SOCKET"

READY, STOPPING, RELOADING = "READY=1", "STOPPING=1", "RELOADING=1"


def tell(state: str, status: str = "") -> None:
    """Tell the service manager a state, and in one line what is being done.

    Args:
        state: READY, STOPPING or RELOADING; after RELOADING comes READY again.
        status: for people, as `systemctl status` shows it.
    """
    name = os.environ.get(_SOCKET, "")
    if not name.startswith(("/", "@")):
        return
    lines = [state]
    if state == RELOADING:
        # Type=notify-reload wants to know that this is the answer to its own signal.
        lines.append(f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
    if status:
        lines.append("STATUS=" + " ".join(status.split()))
    address = "\0" + name[1:] if name.startswith("@") else name
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
        wire.settimeout(1.0)
        wire.sendto("\n".join(lines).encode(), address)
