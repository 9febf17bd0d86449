"""A process between ``vox run --engine cmd:…`` and an engine that lives in another process, such as a notebook.

    python3 -m vox.engine.relay SOCKET

Lines go to a Unix socket and come from it; it ends when either side does.
"""

from __future__ import annotations

import os
import socket
import sys
import threading


def main() -> int:
    """Carry lines both ways."""
    there = socket.socket(socket.AF_UNIX)
    there.connect(sys.argv[1])

    def ask() -> None:
        while True:
            data = os.read(0, 65536)
            if not data:
                break
            there.sendall(data)
        there.shutdown(socket.SHUT_WR)

    threading.Thread(target=ask, daemon=True).start()
    while True:
        data = there.recv(65536)
        if not data:
            return 0
        while data:
            data = data[os.write(1, data) :]


if __name__ == "__main__":
    try:
        code = main()
    except (OSError, IndexError) as error:
        print(f"vox.engine.relay: {error}", file=sys.stderr)
        code = 1
    os._exit(code)
