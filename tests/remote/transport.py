"""A transport in a page: two workers at a time on this machine.

$WORKER is vox. A group with the case $POISON aborts its worker. The first worker that begins while the
file $KILL is there is killed. The numbers of all workers are added to $PIDS.
"""

import json
import os
import subprocess
import sys
import threading

slots = threading.Semaphore(2)
said = threading.Lock()
workers = {}


def say(**message):
    with said:
        print(json.dumps(message), flush=True)


def run(key, group):
    with slots:
        if any(case["id"] == os.environ.get("POISON") for case in group["cases"]):
            return say(event="exit", key=key, code=-6)
        worker = subprocess.Popen(
            [os.environ["WORKER"], "worker", "--group", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        workers[key] = worker
        if "PIDS" in os.environ:
            with open(os.environ["PIDS"], "a") as pids:
                pids.write(f"{worker.pid}\n")
        worker.stdin.write(json.dumps(group) + "\n")
        worker.stdin.flush()
        for line in worker.stdout:
            event = json.loads(line)
            say(key=key, **event)
            if event["event"] == "start" and "KILL" in os.environ:
                try:
                    os.remove(os.environ["KILL"])
                    worker.kill()
                except FileNotFoundError:
                    pass
        say(event="exit", key=key, code=worker.wait())


say(event="slots", count=2)
say(event="weather", sky="a word of later versions is passed over")
for line in sys.stdin:
    order = json.loads(line)
    if order["op"] == "run":
        say(event="accepted", key=order["key"])
        threading.Thread(target=run, args=(order["key"], order["group"]), daemon=True).start()
    elif order["op"] == "cancel" and order["key"] in workers:
        workers[order["key"]].terminate()
    elif order["op"] == "end":
        break
for worker in workers.values():
    if worker.poll() is None:
        worker.kill()
os._exit(0)
