"""What is asked of torch.cuda, with a torch.cuda that only writes down what it is asked for."""

from __future__ import annotations

import gc
import shutil
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from trainer.cuda import CAPTURING, Gpu, no_compiler

DEVICE = torch.device("cuda:1")


class Recorder:
    """Stands in for torch.cuda."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.current = "default stream"
        self.capture_ends_badly = False
        self.default_generators = [SimpleNamespace(graphsafe_set_state=self.note_generator(index)) for index in (0, 1)]

    def note_generator(self, index: int) -> Any:
        return lambda state: self.asked.append(("generator", index, state))

    def set_device(self, device: torch.device) -> None:
        self.asked.append(("device", device))

    def current_stream(self, device: torch.device) -> str:
        return self.current

    def default_stream(self, device: torch.device) -> str:
        return "default stream"

    def Stream(self, device: torch.device) -> str:  # noqa: N802
        return f"a stream on {device}"

    def set_stream(self, stream: str) -> None:
        self.current = stream

    def CUDAGraph(self) -> Any:  # noqa: N802
        return SimpleNamespace(replay=lambda: self.asked.append("replay"), reset=lambda: self.asked.append("reset"))

    @contextmanager
    def graph(self, graph: Any, **how: Any) -> Iterator[None]:
        self.asked.append(how | {"locked": CAPTURING.locked(), "collects": gc.isenabled()})
        yield
        if self.capture_ends_badly:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(torch, "cuda", recorder)
    monkeypatch.setattr(torch, "Generator", lambda device: SimpleNamespace(graphsafe_get_state=lambda: "fresh"))
    return recorder


def test_a_thread_takes_its_gpu_and_a_stream_of_its_own_and_keeps_both(recorder: Recorder) -> None:
    gpu = Gpu(DEVICE)
    assert recorder.asked == [("device", DEVICE)] and recorder.current == gpu.stream == "a stream on cuda:1"
    recorder.Stream = lambda device: "another"  # type: ignore[method-assign]
    assert Gpu(DEVICE).stream == gpu.stream


def test_a_capture_is_alone_on_its_own_stream_and_minds_no_other_thread(recorder: Recorder) -> None:
    gpu = Gpu(DEVICE)
    step = gpu.capture(lambda: recorder.asked.append("body"), "pool")
    how = {"pool": "pool", "stream": gpu.stream, "capture_error_mode": "thread_local"}
    assert recorder.asked[1:] == [how | {"locked": True, "collects": False}, "body"]
    assert gc.isenabled() and not CAPTURING.locked()
    step()
    assert recorder.asked[-1] == "replay" and recorder.asked.count("body") == 1


def test_what_only_the_body_holds_lives_as_long_as_its_graph(recorder: Recorder) -> None:
    """A graph reads tensors where they lay: one that was freed would be read with something else in it."""

    class Held:
        pass

    def capture() -> tuple[Any, Any]:
        held = Held()

        def body() -> None:
            assert held

        return Gpu(DEVICE).capture(body, "pool"), weakref.ref(held)

    step, held = capture()
    gc.collect()
    assert held() is not None
    del step
    gc.collect()
    assert held() is None


@pytest.mark.parametrize("where", ["in the body", "at its end"])
def test_after_a_capture_that_failed_nothing_is_held_and_the_generator_is_free(recorder: Recorder, where: str) -> None:
    def body() -> None:
        if where == "in the body":
            raise ValueError(where)

    recorder.capture_ends_badly = where == "at its end"
    with pytest.raises(ValueError if where == "in the body" else RuntimeError):
        Gpu(DEVICE).capture(body, "pool")
    assert recorder.asked[-2:] == ["reset", ("generator", 1, "fresh")]
    assert gc.isenabled() and not CAPTURING.locked()


def test_garbage_that_was_not_collected_before_is_not_collected_afterwards(recorder: Recorder) -> None:
    gc.disable()
    try:
        Gpu(DEVICE).capture(lambda: None, "pool")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_a_compiler_needs_is_looked_for_before_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", SimpleNamespace())
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name == "clang" else None)
    assert no_compiler() is None
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert no_compiler() == "there is no C compiler: neither gcc nor clang was found"
    with pytest.raises(RuntimeError, match="there is no C compiler"):
        Gpu.compile(SimpleNamespace(), torch.nn.Identity())  # type: ignore[arg-type]
    monkeypatch.setenv("CC", "tcc")
    assert no_compiler() is None
    monkeypatch.setitem(sys.modules, "triton", None)
    assert no_compiler() == "triton is not installed"
