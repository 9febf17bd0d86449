"""Between ``vox run --engine dask`` and a Dask cluster: groups go there, events and exit codes come back.

What is asked (``run``, ``cancel``, ``end``) and told (``slots``, ``accepted``, events of workers, ``exit``, ``lost``,
``refused``) is in ``docs/python.md``. Grouping, halving, speculation and retries are the driver's: this only carries.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

import cloudpickle
from distributed import Client, Future

from vox.engine import task

cloudpickle.register_pickle_by_value(task)


class Sent:
    """A function of `task` that arrives with its code.

    Dask names functions by their module where it can, and workers have not this one, or an older version of it.
    """

    def __init__(self, function: Callable[..., Any]):
        self._function = function
        self._code: bytes = cloudpickle.dumps(function)

    def __call__(self, *arguments: Any) -> Any:
        """Call it here: a worker that is a thread of this process does not unpack it."""
        return self._function(*arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[bytes]]:
        return cloudpickle.loads, (self._code,)


WORK = Sent(task.work)
PROBE = Sent(task.probe)
SINGLE = Sent(task.single)

log = logging.getLogger("vox.engine")

NO_RESOURCE_S = 5.0
"""How long a group waits for a worker with what it needs, where there are workers; told within ten seconds."""
NO_WORKERS_S = 300.0
"""How long groups wait for the first worker: a batch system may take its time."""
PROBE_S = 10.0
"""How long workers are waited for when they are asked what they have; a hung one is found out by the driver."""
STORE_CODE = 5
"""How `vox worker` ends where the store cannot be used, as when a disk is full."""
LOOKED_EACH = 0.5
"""Seconds between two looks at the cluster."""

Told = dict[str, Any]


class Group:
    """A group that was asked for."""

    def __init__(self, asked: Mapping[str, Any]):
        self.key: str = asked["key"]
        self.file: Mapping[str, Any] = asked["group"]
        self.needs: Mapping[str, float] = asked.get("needs") or {}
        self.near: list[str] = list(asked.get("near") or ())
        self.avoid: set[str] = set(asked.get("avoid") or ())
        self.priority: int = int(asked.get("priority") or 0)
        self.future: Optional[Future] = None
        self.only: set[str] = set()
        self.cancelled = False
        self.since = time.monotonic()
        self.execution: Optional[str] = None
        self.told = 0
        self.end: Optional[Told] = None
        self.cases: set[str] = set()


class Bridge:
    """Carries groups to the workers of a client, and what they tell back."""

    def __init__(self, client: Client, tell: Callable[[Told], None], no_workers_s: float = NO_WORKERS_S):
        self._client = client
        self._out = tell
        self._no_workers_s = no_workers_s
        self._asked: queue.Queue[Optional[str]] = queue.Queue()
        self._groups: dict[str, Group] = {}
        self._waiting: list[Group] = []
        self._lock = threading.RLock()
        self._proved: dict[str, str] = {}
        self._spoiled: set[str] = set()
        self._unfit: Optional[tuple[str, Optional[str]]] = None
        self._slots = -1
        self._known: dict[str, Any] = {}
        self._known_at = -LOOKED_EACH
        self._hinted = False
        self._connected = True
        self._began = time.monotonic()

    def serve(self, lines: Iterable[str]) -> None:
        """Do what the lines ask, until one says ``end`` or there are no more; nothing is left running."""
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()
        self._subscribe()
        try:
            self._look()
            looked = time.monotonic()
            while self._client.status not in ("closing", "closed"):
                asked = self._take(max(0.0, looked + LOOKED_EACH - time.monotonic()))
                if asked is None:
                    break
                self._answer(asked)
                if time.monotonic() >= looked + LOOKED_EACH:
                    self._look()
                    looked = time.monotonic()
            else:
                self._lose_all("the connection to the scheduler is gone: start it again, then run again")
        finally:
            self.close()

    def stop(self) -> None:
        """Let `serve` return; may be called from a signal handler or another thread."""
        self._asked.put(None)

    def close(self) -> None:
        """Cancel what is left."""
        with self._lock:
            groups, self._waiting = list(self._groups.values()), []
            self._groups.clear()
        futures = [group.future for group in groups if group.future is not None]
        for group in groups:
            group.cancelled = True
        with contextlib.suppress(Exception):
            if futures:
                self._client.cancel(futures)
            self._client.unsubscribe_topic(task.TOPIC)

    # -- what is asked ------------------------------------------------------------------------------------

    def _listen(self, lines: Iterable[str]) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in lines:
                self._asked.put(line)
        self._asked.put(None)

    def _take(self, seconds: float) -> Optional[list[Told]]:
        """Return what was asked meanwhile, all that is there; None at the end."""
        asked: list[Told] = []
        with contextlib.suppress(queue.Empty):
            line = self._asked.get(timeout=seconds) if seconds else self._asked.get_nowait()
            while True:
                if line is None:
                    return None
                if line.strip():
                    told = json.loads(line)
                    if told.get("op") == "end":
                        return None
                    asked.append(told)
                line = self._asked.get_nowait()
        return asked

    def _answer(self, asked: list[Told]) -> None:
        fresh: list[Group] = []
        for told in asked:
            if told.get("op") == "run":
                with self._lock:
                    if told["key"] in self._groups:
                        continue
                    group = Group(told)
                    self._groups[group.key] = group
                fresh.append(group)
            elif told.get("op") == "cancel":
                self._cancel(told["key"])
        if fresh:
            self._begin([group for group in fresh if not group.cancelled])

    def _cancel(self, key: str) -> None:
        with self._lock:
            group = self._groups.pop(key, None)
            if group is None:
                return
            group.cancelled = True
            if group in self._waiting:
                self._waiting.remove(group)
        if group.future is not None:
            with contextlib.suppress(Exception):
                self._client.cancel([group.future])
        self._tell(group, {"event": "lost", "reason": "cancelled"})

    def _begin(self, groups: list[Group]) -> None:
        """Submit groups for which there is somebody, and let others wait."""
        ready = []
        workers = self._workers()
        for group in groups:
            if self._refuse_unfit(group, workers):
                continue
            if self._somebody(group, workers):
                ready.append(group)
            else:
                with self._lock:
                    self._waiting.append(group)
        if ready:
            self._submit(ready, workers)

    def _submit(self, groups: list[Group], workers: Mapping[str, Any]) -> None:
        keys = [group.key for group in groups]
        try:
            states = self._client.sync(self._client.scheduler.get_task_status, keys=keys)
        except Exception:  # Whatever it is, not knowing costs a retry that was not needed.
            states = {}
        for group in groups:
            near, others_too = self._near(group, workers)
            group.only = set() if others_too else set(near)
            future = self._client.submit(
                WORK,
                json.dumps(group.file, separators=(",", ":")),
                group.key,
                key=group.key,
                resources=dict(group.needs) or None,
                workers=near or None,
                allow_other_workers=bool(near) and others_too,
                priority=group.priority,
                retries=0,
            )
            group.future = future
            if states.get(group.key) == "erred":
                # Somebody still holds an error of this key, and submitting alone would return it.
                self._client.retry([future])
            self._tell(group, {"event": "accepted"})
            future.add_done_callback(lambda future, group=group: self._done(group, future))

    def _near(self, group: Group, workers: Mapping[str, Any]) -> tuple[list[str], bool]:
        """Return the addresses where a group shall run, and whether others will do.

        `near` is a preference. Hosts in `avoid`, and those on which the store could not be used, are left out while
        there are others that have what it needs.
        """
        avoid = group.avoid | self._spoiled

        def is_one_of(address: str, names: Iterable[str]) -> bool:
            worker = workers[address]
            host = address.split("://")[-1].rsplit(":", 1)[0]
            mine = {address, host, str(worker.get("name")), str(worker.get("host")), self._proved.get(address)}
            return any(name in mine for name in names)

        fit = [address for address, worker in workers.items() if _offers(worker, group.needs)]
        left = [address for address in fit if not is_one_of(address, avoid)]
        near = [address for address in left or fit if is_one_of(address, group.near)]
        if avoid and left:
            return near or left, False
        return near, True

    # -- what is told -------------------------------------------------------------------------------------

    def _tell(self, group: Optional[Group], told: Told) -> None:
        key = group.key if group is not None else None
        self._out({**told, "key": key} if told["event"] != "slots" else told)

    def _subscribe(self) -> None:
        self._client.subscribe_topic(task.TOPIC, self._heard)

    def _heard(self, event: tuple[float, Any]) -> None:
        """Take in events that a worker tells while it runs."""
        batch = event[1]
        with self._lock:
            group = self._groups.get(batch.get("key"))
            if group is None:
                return
            self._pass_on(group, batch["execution"], batch["first"], batch["events"])
            is_whole = group.execution == batch["execution"]
            if "end" in batch and is_whole and group.told == batch["first"] + len(batch["events"]):
                group.end = batch["end"]

    def _pass_on(self, group: Group, execution: str, first: int, events: list[Told]) -> None:
        """Tell the events that were not told yet.

        A batch may come late, or not at all: the result has them all. A key that Dask runs again, since its
        worker died, tells the cases that it had told already no second time.
        """
        if execution != group.execution:
            group.execution, group.told, group.end = execution, 0, None
        if first > group.told:
            return
        for event in events[group.told - first :]:
            if event.get("event") == "case":
                case = str(event.get("case", event.get("id")))
                if case in group.cases:
                    continue
                group.cases.add(case)
            self._tell(group, event)
        group.told = max(group.told, first + len(events))

    def _done(self, group: Group, future: Future) -> None:
        """Tell how a group ended; runs on a thread of the client."""
        if group.cancelled:
            return
        try:
            ended = self._ended(group, future)
        except Exception as error:
            ended = {"event": "lost", "reason": f"what it gave did not arrive: {error}"}
        with self._lock:
            if self._groups.pop(group.key, None) is None:
                return
        group.future = None
        future.release()
        self._tell(group, ended)

    def _ended(self, group: Group, future: Future) -> Told:
        if future.status == "finished":
            with self._lock:
                result = group.end
            if result is None:
                # Topics promise nothing; what was not heard of lies in the result.
                result = future.result(timeout=30)
                if "refused" in result:
                    return {"event": "refused", "reason": result["refused"], "host": result["host"]}
                with self._lock:
                    self._pass_on(group, result["execution"], 0, result["events"])
            ended = {"event": "exit", "code": result["code"], "host": result["host"], "name": result["name"]}
            if result.get("cancelled"):
                # The worker went away in good order, or another driver took the group back.
                return {"event": "lost", "reason": f"it was stopped on {result['host']}"}
            if result.get("words"):
                ended["words"] = result["words"]
            if result["code"] == STORE_CODE:
                self._spoiled.add(result["host"])
            return ended
        if future.status == "error":
            error = future.exception(timeout=30)
            last = getattr(error, "last_worker", None)
            if last is not None:
                return {"event": "lost", "reason": f"the workers that ran it died, the last at {last.address}"}
            return {"event": "refused", "reason": f"a worker cannot run it: {error!r}", "host": None}
        return {"event": "lost", "reason": "the scheduler does not know it any more"}

    def _lose_all(self, reason: str) -> None:
        with self._lock:
            groups = list(self._groups.values())
            self._groups.clear()
            self._waiting.clear()
        for group in groups:
            group.cancelled = True
            self._tell(group, {"event": "lost", "reason": reason})

    def _refuse(self, group: Group, reason: str, host: Optional[str]) -> None:
        with self._lock:
            self._groups.pop(group.key, None)
            if group in self._waiting:
                self._waiting.remove(group)
        group.cancelled = True
        if group.future is not None:
            with contextlib.suppress(Exception):
                self._client.cancel([group.future])
        self._tell(group, {"event": "refused", "reason": reason, "host": host})

    # -- the cluster --------------------------------------------------------------------------------------

    def _workers(self) -> dict[str, Any]:
        """Return what the scheduler knows of its workers, by address; what is a moment old will do."""
        if self._client.status != "running":
            self._known_at = -LOOKED_EACH
            return {}
        # A thousand workers are a megabyte: it is asked less often of many.
        moment = LOOKED_EACH * max(0.9, len(self._known) / 200)
        if time.monotonic() - self._known_at < moment and self._known:
            return self._known
        wanted = {}
        if "n_workers" in inspect.signature(self._client.scheduler_info).parameters:
            wanted["n_workers"] = -1
        try:
            self._known = dict(self._client.scheduler_info(**wanted).get("workers") or {})
            self._known_at = time.monotonic()
            return self._known
        except Exception as error:
            log.debug("the scheduler does not answer: %r", error)
            return {}

    def _somebody(self, group: Group, workers: Mapping[str, Any]) -> bool:
        return any(_offers(worker, group.needs) for worker in workers.values())

    def _look(self) -> None:
        """See who came and went."""
        running = self._client.status == "running"
        if running and not self._connected:
            # Another scheduler knows nothing of what the one before was told.
            self._proved.clear()
            self._subscribe()
        self._connected = running
        if not running:
            return
        workers = self._workers()
        slots = sum(int(worker.get("nthreads", 1)) for worker in workers.values())
        if slots != self._slots:
            self._slots = slots
            self._tell(None, {"event": "slots", "count": slots})
        self._proved = {address: host for address, host in self._proved.items() if address in workers}
        with self._lock:
            waiting = list(self._waiting)
        if waiting:
            self._serve_waiting(waiting, workers)
        if workers:
            self._watch_needs(workers)
            self._watch_only(workers)

    def _serve_waiting(self, waiting: list[Group], workers: Mapping[str, Any]) -> None:
        ready = [group for group in waiting if self._somebody(group, workers)]
        if ready:
            with self._lock:
                self._waiting = [group for group in self._waiting if group not in ready]
            self._begin(ready)
        now = time.monotonic()
        for group in waiting:
            if group in ready:
                continue
            if workers and now - group.since > NO_RESOURCE_S:
                self._refuse(group, _nobody(group, workers), None)
            elif not workers and now - group.since > self._no_workers_s:
                self._refuse(group, f"no worker came within {self._no_workers_s:.0f} s: start some", None)
            elif not workers and now - group.since > 10 and not self._hinted:
                self._hinted = True
                log.warning("no worker yet; waiting for one for %.0f s", self._no_workers_s)

    def _watch_needs(self, workers: Mapping[str, Any]) -> None:
        """Take back groups whose only workers with what they need have gone: Dask would wait for ever."""
        with self._lock:
            groups = [group for group in self._groups.values() if group.needs and group.future is not None]
        for group in groups:
            if self._somebody(group, workers):
                group.since = time.monotonic()
            elif time.monotonic() - group.since > NO_RESOURCE_S:
                self._refuse(group, _nobody(group, workers), None)

    def _watch_only(self, workers: Mapping[str, Any]) -> None:
        """Give up groups that were meant for workers that have gone: others may have come, and Dask would wait."""
        with self._lock:
            groups = [group for group in self._groups.values() if group.only and group.only.isdisjoint(workers)]
            for group in groups:
                del self._groups[group.key]
        for group in groups:
            group.cancelled = True
            if group.future is not None:
                with contextlib.suppress(Exception):
                    self._client.cancel([group.future])
            self._tell(group, {"event": "lost", "reason": "the workers that could take it are gone"})

    def _refuse_unfit(self, group: Group, workers: Mapping[str, Any]) -> bool:
        """Refuse a group when a worker has another vox or another store than the driver."""
        new = [address for address in workers if address not in self._proved]
        if new and self._unfit is None:
            self._unfit = self._ask_workers(group, new)
        if self._unfit is not None:
            self._refuse(group, *self._unfit)
            return True
        return False

    def _ask_workers(self, group: Group, addresses: list[str]) -> Optional[tuple[str, Optional[str]]]:
        """Ask workers what they have; returns what is wrong, and with which host."""
        store = group.file.get("store") or {}
        path = store.get("path")
        answers: dict[str, Any] = {}

        def ask() -> None:
            with contextlib.suppress(Exception):
                answers.update(self._client.run(PROBE, path, workers=addresses, on_error="return"))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(PROBE_S)
        for address, found in answers.items():
            if isinstance(found, BaseException):
                return f"the worker {address} cannot be asked what it has: {found!r}", address
            host = found["host"]
            if "problem" in found:
                return f"{host} {found['problem']}", host
            wanted = group.file.get("vox")
            if wanted is not None and found["vox"] != wanted:
                return f"{host} has vox {found['vox']}, and this is {wanted}: install one version everywhere", host
            # Stores that are not shared are pulled from, and have ids of their own.
            if store.get("id") and "from" not in group.file and found.get("store") != store["id"]:
                there = f"the store {found['store']}" if found.get("store") else "no store"
                return (
                    f"{host} has {there} at `{path}`, and the driver {store['id']}: mount one folder everywhere",
                    host,
                )
            self._proved[address] = host
        for address in addresses:
            # Not heard of in time: `vox worker` compares versions itself before its first case.
            self._proved.setdefault(address, "")
        return None


def _offers(worker: Mapping[str, Any], needs: Mapping[str, float]) -> bool:
    resources = worker.get("resources") or {}
    return all(resources.get(name, 0) >= amount for name, amount in needs.items())


def _nobody(group: Group, workers: Mapping[str, Any]) -> str:
    """Say in words why no worker takes a group."""
    missing = [
        f"{name}={amount:g}"
        for name, amount in group.needs.items()
        if not any(_offers(worker, {name: amount}) for worker in workers.values())
    ] or [f"{name}={amount:g}" for name, amount in group.needs.items()]
    offered = sorted({name for worker in workers.values() for name in worker.get("resources") or {}})
    has = f"they offer {', '.join(offered)}" if offered else "they offer no resources"
    start = f"dask worker … --resources {','.join(missing)}"
    return f"none of {len(workers)} workers has {' and '.join(missing)} ({has}): start one with `{start}`"
