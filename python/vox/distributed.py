"""Cohorts on a Dask cluster, by a client that is there already, such as a notebook's.

    from distributed import Client
    import vox.distributed

    client = Client("tcp://scheduler:8786")
    cohort = vox.distributed.run(client, "lesion.imgql", "cases", store="/shared/.vox", on_case=print)

Workers need the program ``vox`` of this version, and the store and the inputs under the same paths.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from distributed import Client, Future

from vox import call as calling
from vox.engine import relay
from vox.engine.bridge import SINGLE, Bridge
from vox.program import AnyStore, Cases, Inputs, Program, Settings, ask, is_path, store_options
from vox.result import Cohort, Result, Where
from vox.running import answer
from vox.store import Store


def run(
    client: Client,
    program: Program,
    cases: Cases,
    *,
    inputs: Optional[Inputs] = None,
    settings: Optional[Settings] = None,
    store: AnyStore = None,
    output: Union[str, os.PathLike[str], None] = None,
    group: Optional[int] = None,
    needs: Optional[Mapping[str, float]] = None,
    options: Sequence[str] = (),
    on_case: Optional[Callable[[Result], None]] = None,
) -> Cohort:
    """Run a program over a cohort on the workers of a client; the answer is that of `vox.run`.

    Cases travel in groups of some seconds. `on_case` is told each case as soon as its results are durable, in the
    order in which they come. `group` fixes how many cases travel together, `needs` what their workers must offer,
    such as ``{"GPU": 1}``; other arguments are those of `vox.run`. Ctrl-C takes back what was not done. Whatever
    dies meanwhile, running it again computes only what is missing.
    """
    place = store if isinstance(store, Store) or store is None else os.path.abspath(store)
    words = ["run", "--json", "--events", "--message-format", "json", *store_options(place)]
    words += ["--no-save"] if output is None else ["--output", os.fspath(output)]
    words += ["--group", str(group)] if group is not None else []
    for name, amount in (needs or {}).items():
        words += ["--needs", f"{name}={amount:g}"]
    where = Where(place, output)

    def take(event: calling.Event) -> None:
        if on_case is not None and event["event"] == "case":
            on_case(Result(event.get("answer", event), where))

    with _engine(client) as engine, ask(program, inputs, settings, cases) as asked:
        called = calling.call([*words, "--engine", engine, *options, *asked.arguments()], asked.text, take)
    cohort = answer(called, place, output, None, is_cohort=True)
    assert isinstance(cohort, Cohort)
    return cohort


def submit(
    client: Client,
    program: Program,
    case: Inputs,
    *,
    settings: Optional[Settings] = None,
    store: AnyStore = None,
    needs: Optional[Mapping[str, float]] = None,
    priority: int = 0,
) -> Future:
    """Submit one case (a path for each input) and return its future, for graphs of one's own.

    It holds a small dict: ``values`` (what is printed, by name), ``nodes`` (with them `vox.Store.value` loads what is
    saved), ``errors``, ``counts`` and ``host``. The same program with the same inputs is one task, whoever submits
    it. For cohorts `run` is far cheaper.
    """
    absolute: dict[str, str] = {}
    seen: list[Any] = []
    for name, value in case.items():
        if not isinstance(value, (str, os.PathLike)):
            raise TypeError(f"`{name}` must be a path that the workers see, not a {type(value).__name__}")
        absolute[name] = os.path.abspath(value)
        seen.append([name, absolute[name], *_stamp(absolute[name])])
    root = (store if isinstance(store, Store) else Store(store)).path if store is None else _path(store)
    with ask(program, absolute, settings) as asked:
        text = Path(program).read_text() if is_path(program) else asked.text
        sent = asked.text
        if is_path(program):
            asked.program = os.path.abspath(asked.program)
        words = ["run", "--json", "--no-save", "--store", os.fspath(root), *asked.arguments()]
    described = json.dumps([text, words, seen], sort_keys=True)
    key = "vox-case-" + hashlib.sha256(described.encode()).hexdigest()
    resources = dict(needs) if needs else None
    return client.submit(SINGLE, words, sent, key, key=key, resources=resources, priority=priority)


@contextlib.contextmanager
def _engine(client: Client) -> Iterator[str]:
    """Serve an engine out of this process by a client, and give the word that names it to ``vox run --engine``."""
    if client.asynchronous:
        raise TypeError("an asynchronous client cannot be waited for: make one with Client(address)")
    with tempfile.TemporaryDirectory(prefix="vox-") as folder, socket.socket(socket.AF_UNIX) as server:
        path = os.path.join(folder, "engine")
        server.bind(path)
        server.listen(1)
        script = Path(folder) / "relay"
        words = [sys.executable, os.path.abspath(relay.__file__), path]
        script.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n")
        script.chmod(0o700)
        bridges: list[Bridge] = []
        serving = threading.Thread(target=_serve, args=(client, server, bridges), daemon=True)
        serving.start()
        try:
            yield f"cmd:{script}"
        finally:
            # The driver is gone, so the bridge has seen its end, unless the driver never called.
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            for bridge in bridges:
                bridge.stop()
            serving.join(5)


def _serve(client: Client, server: socket.socket, bridges: list[Bridge]) -> None:
    try:
        there, _ = server.accept()
    except OSError:
        return
    with there, there.makefile("r", encoding="utf-8") as lines:
        lock = threading.Lock()

        def tell(told: dict[str, Any]) -> None:
            with lock, contextlib.suppress(OSError):
                there.sendall(json.dumps(told, separators=(",", ":")).encode() + b"\n")

        bridge = Bridge(client, tell)
        bridges.append(bridge)
        bridge.serve(lines)
        with contextlib.suppress(OSError):
            there.shutdown(socket.SHUT_RDWR)


def _path(store: AnyStore) -> Path:
    assert store is not None
    return store.path if isinstance(store, Store) else Path(os.path.abspath(store))


def _stamp(path: str) -> list[int]:
    """Return what changes when a file does; nothing where only the workers see it."""
    try:
        found = os.stat(path)
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]
