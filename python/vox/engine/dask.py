"""The Dask engine of ``vox run --engine dask``: a process that speaks lines of JSON.

    python3 -m vox.engine.dask --scheduler tcp://host:8786
    python3 -m vox.engine.dask --scheduler local --workers 4

Security (TLS) and timeouts come from Dask's own configuration.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any, Optional

CLOSING_S = 0.8
"""How long a cluster may take to close; then the process ends, and what hangs on it with it. The driver waits 1 s."""


def main(arguments: Optional[list[str]] = None) -> int:
    """Serve one driver; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m vox.engine.dask", description=__doc__.splitlines()[0])
    parser.add_argument("--scheduler", default="local", help="tcp://HOST:PORT, or `local`: workers of its own")
    parser.add_argument("--workers", type=int, default=None, help="with `local`: how many [default: all cores]")
    parser.add_argument("--wait", type=float, default=300.0, metavar="SECONDS", help="for the first worker")
    parser.add_argument("--resources", default="", help="with `local`: what each worker offers, as in GPU=1")
    args = parser.parse_args(arguments)
    # Everything that others print goes to stderr: stdout is for the driver.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    teller = Teller(out)
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        teller.tell({"event": "refused", "key": None, "host": None, "reason": f"{error}: pip install distributed"})
        return 2
    return _serve(args, teller)


class Teller:
    """Writes lines to the driver, from any thread."""

    def __init__(self, out: IO[str]):
        self._out = out
        self._lock = threading.Lock()

    def tell(self, told: dict[str, Any]) -> None:
        """Write one object."""
        line = json.dumps(told, separators=(",", ":")) + "\n"
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._out.write(line)
            self._out.flush()


def _serve(args: argparse.Namespace, teller: Teller) -> int:
    import dask
    from distributed import Client, LocalCluster

    from vox.engine.bridge import Bridge

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    # A worker that is gone is noticed by its connection; a hung one is the driver's to speculate on.
    dask.config.set({"distributed.comm.timeouts.connect": "10s"})
    cluster = None
    stopped = threading.Event()
    bridge: Optional[Bridge] = None

    def stop(*_: object) -> None:
        stopped.set()
        if bridge is not None:
            bridge.stop()
        else:
            os._exit(130)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        if args.scheduler == "local":
            cluster = LocalCluster(
                n_workers=args.workers or os.cpu_count() or 1,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                memory_limit=0,
                silence_logs=logging.CRITICAL,
                resources=_resources(args.resources),
            )
            client = Client(cluster, set_as_default=False)
        else:
            client = Client(args.scheduler, timeout=10, set_as_default=False)
    except Exception as error:
        why = f"there is no Dask scheduler at {args.scheduler}: {error}"
        teller.tell({"event": "refused", "key": None, "host": None, "reason": why})
        return 2
    bridge = Bridge(client, teller.tell, args.wait)
    if stopped.is_set():
        bridge.stop()
    bridge.serve(_lines())
    closing = threading.Thread(target=_close, args=(client, cluster), daemon=True)
    closing.start()
    closing.join(CLOSING_S)
    return 130 if stopped.is_set() else 0


def _lines() -> Iterator[str]:
    # Not sys.stdin: its lock would be held by the reading thread at the end.
    with os.fdopen(os.dup(0), encoding="utf-8") as lines:
        yield from lines


def _resources(text: str) -> dict[str, float]:
    pairs = (pair.partition("=") for pair in text.replace(",", " ").split())
    return {name: float(amount or 1) for name, _, amount in pairs}


def _close(client: Any, cluster: Any) -> None:
    with contextlib.suppress(Exception):
        client.close(timeout=1)
    if cluster is not None:
        with contextlib.suppress(Exception):
            cluster.close(timeout=1)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Threads of the client and the reader of stdin have nothing left to say.
    os._exit(code)
