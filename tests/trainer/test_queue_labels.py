"""Labels and deletion, beside trainings that go on."""

from __future__ import annotations

import pytest

from store.errors import Problem
from store.runs import RunStore
from tests.trainer.listener import Listener
from tests.trainer.scripted import Script
from tests.trainer.test_queue import add, listener, queue_of, script, store

__all__ = ["listener", "script", "store"]


def test_a_run_keeps_the_label_that_it_got_while_it_trained(
    store: RunStore, script: Script, listener: Listener
) -> None:
    script.go.clear()
    jobs = queue_of(store, script, listener)
    run = add(jobs)
    jobs.start()
    listener.wait_for(run.id, "running")
    jobs.label(run.id, ["slow"], "watch this one")
    script.go.set()
    done = listener.wait_for(run.id, "done")
    jobs.close()
    assert (done.tags, done.note) == (("slow",), "watch this one")
    assert store.run(run.id) == done


def test_what_trains_or_waits_cannot_be_set_aside(store: RunStore, script: Script, listener: Listener) -> None:
    script.go.clear()
    jobs = queue_of(store, script, listener)
    running, waiting = add(jobs), add(jobs)
    jobs.start()
    listener.wait_for(running.id, "running")
    for run in (running, waiting):
        with pytest.raises(Problem, match="stop it first"):
            jobs.set_aside([run.id])
    script.go.set()
    listener.wait_for(waiting.id, "done")
    jobs.close()
    jobs.set_aside([running.id])
    assert [run.id for run in store.runs()] == [waiting.id]


def test_a_run_says_what_it_ran_with(store: RunStore, script: Script, listener: Listener) -> None:
    jobs = queue_of(store, script, listener)
    run = add(jobs)
    jobs.start()
    assert listener.wait_for(run.id, "done").environment == {"python": "3.11.7", "torch": "2.9.1"}
    jobs.close()
