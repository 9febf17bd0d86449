"""The Dask engine against real schedulers and workers; the program is a stub. For faults see `test_faults`."""

from __future__ import annotations

import os
import signal
import time

import pytest
from conftest import alive, wait_until

pytest.importorskip("distributed")


def cases(driver, key):
    return [told["case"] for told in driver.events(key) if told["event"] == "case"]


def wait_for_slots(driver, count):
    wait_until(lambda: driver.slots() == count, 20)


def test_a_group_streams_its_cases_and_ends_with_its_exit_code(cluster, driver):
    there = cluster()
    there.worker()
    one = driver(there.address)
    key = one.run("sleep=0.1", "sleep=1", "refuse")
    one.wait(key, "accepted")
    one.wait(key, "case")
    assert not any(told["event"] == "exit" for told in one.events(key)), "the first case is told before the end"
    ended = one.end(key)
    assert (ended["event"], ended["code"]) == ("exit", 1)
    assert cases(one, key) == ["0:sleep=0.1", "1:sleep=1", "2:refuse"]
    assert [told["event"] for told in one.events(key)][-2:] == ["end", "exit"], "the exit code comes last"
    assert any(told["event"] == "slots" and told["count"] == 1 for told in one.told)
    many = one.run("flood=3000")
    assert one.end(many)["code"] == 0
    assert len(cases(one, many)) == 3001
    assert one.close() == 0


def test_two_drivers_share_a_group_of_one_key_and_each_hears_all_of_it(cluster, driver):
    there = cluster()
    there.worker()
    one, two = driver(there.address), driver(there.address)
    one.wait(None, "slots")
    two.wait(None, "slots")
    key = one.run("sleep=1", "sleep=1")
    one.wait(key, "start")
    assert two.run("sleep=1", "sleep=1") == key
    assert one.end(key)["code"] == two.end(key)["code"] == 0
    assert cases(one, key) == cases(two, key) == ["0:sleep=1", "1:sleep=1"]
    assert len(there.ran()) == 1


def test_cancelling_ends_the_child_and_frees_its_slot(cluster, driver):
    there = cluster()
    there.worker()
    one = driver(there.address)
    key = one.run("mute")
    child = one.wait(key, "start")["pid"]
    one.ask(op="cancel", key=key)
    wait_until(lambda: not alive(child), 1.5)
    assert one.end(one.run("sleep=0"))["code"] == 0, "the only slot is free again"


def test_a_child_that_kills_itself_is_an_exit_code_and_the_worker_goes_on(cluster, driver):
    there = cluster()
    there.worker()
    one = driver(there.address)
    key = one.run("sleep=0", "abort", "sleep=0")
    ended = one.end(key)
    assert (ended["event"], ended["code"]) == ("exit", 128 + signal.SIGKILL)
    assert cases(one, key) == ["0:sleep=0"]
    assert one.end(one.run("sleep=0"))["code"] == 0


def test_a_killed_worker_leaves_no_child_and_its_group_is_run_elsewhere(cluster, driver):
    there = cluster()
    first = there.worker()
    one = driver(there.address)
    key = one.run("sleep=0", "sleep=3")
    child = one.wait(key, "start")["pid"]
    one.wait(key, "case")
    first.kill()
    wait_until(lambda: not alive(child), 1.5)
    there.worker()
    assert one.end(key, seconds=30)["code"] == 0
    assert cases(one, key) == ["0:sleep=0", "1:sleep=3"], "no case is told twice"
    assert len(there.ran()) == 2


def test_a_restarted_scheduler_loses_the_groups_and_takes_them_again(cluster, driver):
    there = cluster()
    there.worker()
    one = driver(there.address)
    key = one.run("sleep=4")
    child = one.wait(key, "start")["pid"]
    there.scheduler.kill()
    there.scheduler.wait()
    assert one.end(key)["event"] == "lost"
    wait_until(lambda: not alive(child), 10)
    there.start_scheduler()
    there.worker()
    one.told.clear()
    assert one.run("sleep=4") == key
    assert one.end(key, seconds=40)["code"] == 0


def test_what_nobody_offers_is_refused_in_words_and_what_somebody_offers_is_found(cluster, driver):
    there = cluster()
    there.worker("--resources", "GPU=1")
    there.worker()
    one = driver(there.address)
    assert one.end(one.run("sleep=0", needs={"GPU": 1}))["code"] == 0
    began = time.monotonic()
    refused = one.end(one.run("sleep=0", needs={"TPU": 2}, salt="TPU"))
    assert time.monotonic() - began < 10
    assert refused["event"] == "refused"
    assert "TPU=2" in refused["reason"]
    assert "GPU" in refused["reason"]


def test_a_host_to_avoid_is_avoided_while_there_is_another(cluster, driver):
    there = cluster()
    there.worker("--name", "one")
    there.worker("--name", "two")
    one = driver(there.address)
    wait_for_slots(one, 2)
    for at in range(3):
        key = one.run("sleep=0", avoid=["one"], near=["one"], salt=at)
        ended = one.end(key)
        assert ended["code"] == 0
        assert ended["name"] == "two"
    key = one.run("sleep=0", near=["one"], salt="near")
    assert one.end(key)["name"] == "one"
    key = one.run("sleep=0", avoid=[os.uname().nodename], salt="all")
    assert one.end(key)["code"] == 0, "where there is no other it runs after all"


def test_no_scheduler_is_said_in_words(driver):
    one = driver("tcp://127.0.0.1:9")
    assert "no Dask scheduler" in one.wait(None, "refused", seconds=30)["reason"]


def test_a_held_error_does_not_answer_a_group_that_is_asked_again(cluster, driver):
    from distributed import Client

    there = cluster(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    first = there.worker()
    one = driver(there.address)
    key = one.run("sleep=3")
    one.wait(key, "start")
    with Client(there.address, set_as_default=False) as client:
        # Its key is known: it joins those who wait for the group.
        held = client.submit(len, [], key=key)

        def waiting(dask_scheduler):
            return len(dask_scheduler.tasks[key].who_wants)

        wait_until(lambda: client.run_on_scheduler(waiting) == 2)
        first.kill()
        lost = one.end(key)
        assert (lost["event"], "died" in lost["reason"]) == ("lost", True)
        wait_until(lambda: held.status == "error")
        there.worker()
        one.told.clear()
        one.run("sleep=3")
        assert one.end(key)["event"] == "exit"


def test_a_group_that_only_workers_may_take_that_are_gone_is_lost(cluster, driver):
    # Dask waited for ever for a worker at the address of one that had died.
    there = cluster()
    there.worker("--name", "one")
    two = there.worker("--name", "two")
    one = driver(there.address)
    wait_for_slots(one, 2)
    key = one.run("sleep=30", avoid=["one"])
    one.wait(key, "start")
    two.kill()
    ended = one.end(key)
    assert (ended["event"], "gone" in ended["reason"]) == ("lost", True)
    assert one.end(one.run("sleep=0"))["code"] == 0
