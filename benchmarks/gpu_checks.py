"""What must hold on a GPU and can be seen only there. `benchmarks/gpu.py` runs these and prints what each says.

A check returns a line about what it saw, or raises AssertionError with what is wrong.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from itertools import islice
from pathlib import Path

import torch
from msgspec.structs import replace
from torch import Tensor

from store.records import Epoch, Recipe, Step
from trainer import checkpoint, loop
from trainer.agreement import ALLOWED, differences
from trainer.batch import Form, Place, draw, training_batch
from trainer.cuda import Gpu
from trainer.data import DataSet, Images
from trainer.device import prepare_process
from trainer.gpu import begin_on_gpu
from trainer.graph import GpuEngine
from trainer.job import fresh_network
from trainer.loop import fit
from trainer.plan import Plan
from trainer.state import State

EXACT = Recipe(epochs=2, exact=True)
ONE = "resnet18"  # where one is enough
STEPS = 20  # and a short one: 20 × 128 + 80 images
NETWORKS = ("lenet", "resnet18", "efficientnet", "vit_h1_l1")  # plain; with norms; dropout, depthwise; attention
OWN = ("mobilenetv2", "dpn26", "densenet121_k12")  # with our own layers: sums, groups, concatenations
TOLERANCE = 0.03  # of accuracy, after so few epochs: seeds differ by about as much

Pair = tuple[State, GpuEngine]


def gpu_at_hand(device: str) -> Gpu:
    """That GPU, in a process that is ready to train. Where there is none the program ends."""
    if not torch.cuda.is_available():
        sys.exit(f"benchmarks/{Path(sys.argv[0]).name}: torch finds no GPU here, so there is nothing to measure")
    prepare_process()
    return Gpu(torch.device(device))


def begun(id: str, recipe: Recipe, data: DataSet, gpu: Gpu, plan: Plan | None) -> Pair:
    network = fresh_network(id, 0, len(data.classes)).to(gpu.device)
    state, engine = begin_on_gpu(network, recipe, data, gpu, plan, None)
    if plan:
        assert engine.plan == plan, f"{id}: {'; '.join(engine.remarks)}"
    return state, engine


def news(pair: Pair, data: DataSet, recipe: Recipe) -> Iterator[Step | Epoch]:
    return fit(pair[0], data, recipe, 0, pair[1])


def everything(state: State) -> list[Tensor]:
    """Weights, statistics, momentum, losses, best weights."""
    momentum = [value for one in state.optimizer.state.values() for value in one.values() if isinstance(value, Tensor)]
    figures = torch.tensor([(e.train_loss, e.test_loss, e.test_accuracy) for e in state.epochs], dtype=torch.float64)
    tensors = [*state.network.state_dict().values(), *momentum, *state.best.values(), figures]
    return [tensor.detach().cpu().clone() for tensor in tensors]


def ended(pair: Pair, data: DataSet, recipe: Recipe) -> list[Tensor]:
    for _ in news(pair, data, recipe):
        pass
    return everything(pair[0])


def differing(one: list[Tensor], other: list[Tensor]) -> int:
    assert len(one) == len(other)
    return sum(not torch.equal(a, b) for a, b in zip(one, other, strict=True))


def small(data: DataSet) -> DataSet:
    """The first images of it."""
    count = min(STEPS * 128 + 80, len(data.train))
    train = Images(data.train.images[:count], data.train.labels[:count])
    test = Images(data.test.images[:1200], data.test.labels[:1200])
    return dataclasses.replace(data, train=train, test=test, padded=data.padded[:count])


def images_equal_those_of_a_cpu(data: DataSet, gpu: Gpu) -> str:
    """What a GPU cuts, mirrors and normalises has the bits of what a CPU does. Sines and the like of distortions may
    round differently, and with them take the pixel beside."""
    part, whole = small(data), Place(slice(0, STEPS * 128), 0)
    form = Form(dtype=torch.float32, memory_format=torch.channels_last)
    differ: dict[str, float] = {}
    for policy in ("none", "randaugment", "trivialaugment"):
        recipe = Recipe(policy=policy)
        drawn = draw(recipe, len(part.train), STEPS + 1, seed=0, epoch=1)
        here, _ = training_batch(part, drawn.to(gpu.device), recipe, whole, form)
        there, _ = training_batch(part.to("cpu"), drawn, recipe, whole, form)
        differ[policy] = float((here.cpu() != there).float().mean())
    words = ", ".join(f"{100 * part:.3g} % with {policy}" for policy, part in differ.items())
    assert differ["none"] == 0 and max(differ.values()) < 0.01, f"values that differ: {words}"
    return f"values that differ: {words}"


def kernels_equal_torch(gpu: Gpu) -> str:
    """Norms with what follows them, pooling, concatenations, and their gradients: ours and torch's in float64."""
    worst: dict[str, float] = {}
    for dtype in ALLOWED:
        name = str(dtype).removeprefix("torch.")
        for one in differences(gpu.device, dtype):
            assert one.is_rounding, f"{name}: {one}"
            worst[name] = max(worst.get(name, 0.0), one.found)
    return ", ".join(f"{name} within {found:.0e}" for name, found in worst.items())


def graph_equals_eager(data: DataSet, gpu: Gpu) -> str:
    """Exact runs of two epochs: replayed steps have the bits of steps that are taken as they stand; in half precision,
    too, and with our own layers."""
    part, card = small(data), gpu.facts().name
    own = Plan(mode="graph", precision="bf16", layout="channels_last", kernels=True, merged=True, card=card)
    for id, plan in [*((id, Plan(mode="graph", card=card)) for id in NETWORKS), *((id, own) for id in OWN)]:
        replayed = ended(begun(id, EXACT, part, gpu, plan), part, EXACT)
        taken = ended(begun(id, EXACT, part, gpu, replace(plan, mode="eager")), part, EXACT)
        count = differing(replayed, taken)
        assert not count, f"{id}, {plan.in_words()}: {count} of {len(taken)} tensors differ"
        gpu.tidy()
    return f"{', '.join((*NETWORKS, *OWN))}; 2 epochs of {STEPS + 1} steps and a test: every bit"


def resumed_equals_straight(data: DataSet, gpu: Gpu) -> str:
    """An exact run that was saved in mid-epoch and goes on in fresh state ends where the other ends."""
    part, plan = small(data), Plan(mode="graph", card=gpu.facts().name)
    period, loop.PERIOD = loop.PERIOD, 0.0  # a Step as often as its figures arrive
    try:
        straight = ended(begun(ONE, EXACT, part, gpu, plan), part, EXACT)
        interrupted = begun(ONE, EXACT, part, gpu, plan)
        for _ in islice(news(interrupted, part, EXACT), 3):
            pass
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(Path(folder), interrupted[0], plan)
            step = interrupted[0].step
            torch.rand(7, device=gpu.device)  # moves the generator that dropout draws from
            again = begun(ONE, EXACT, part, gpu, plan)
            content, damaged = checkpoint.newest(Path(folder))
            assert content, damaged
            checkpoint.restore(content, again[0])
        count = differing(ended(again, part, EXACT), straight)
    finally:
        loop.PERIOD = period
    assert not count, f"saved at step {step}: {count} of {len(straight)} tensors differ"
    return f"{ONE}, saved after step {step} of epoch 1: every bit"


def nothing_waits(data: DataSet, gpu: Gpu) -> str:
    """Steps under way neither wait for the GPU nor ask for memory."""
    if gpu.device.type != "cuda":
        raise AssertionError("only a GPU can tell")
    recipe, card = Recipe(epochs=1), gpu.facts().name
    plan = Plan(mode="graph", precision="bf16", layout="channels_last", kernels=True, card=card)
    state, engine = begun(ONE, recipe, data, gpu, plan)
    drawn = engine.hold(draw(recipe, len(data.train), len(state.tally.losses), 0, 1))
    state.network.train()

    def allocations() -> int:
        return int(torch.cuda.memory_stats(gpu.device)["allocation.all.allocated"])

    before = allocations()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for state.step in range(50):
            engine.train(loop.train_step, state, data, drawn, recipe)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    gpu.finish()
    assert allocations() == before, f"{allocations() - before} allocations in 50 steps"
    return f"{ONE}: 50 steps without a wait or an allocation"


def accuracy_of_a_short_run(data: DataSet, gpu: Gpu) -> str:
    """The plan that is chosen learns what eager fp32 learns."""
    recipe = Recipe(epochs=3, schedule="one-cycle", learning_rate=0.05)
    found: dict[str, float] = {}
    for plan in (None, Plan(card=gpu.facts().name)):
        pair = begun(ONE, recipe, data, gpu, plan)
        ended(pair, data, recipe)
        found[pair[1].plan.in_words()] = pair[0].epochs[-1].test_accuracy
        gpu.tidy()
    words = ", ".join(f"{100 * accuracy:.2f} % with {plan}" for plan, accuracy in found.items())
    chosen, *_, plain = [*found.values()] * 2  # the same when fp32 is chosen
    assert chosen > plain - TOLERANCE, words
    return f"{ONE} after {recipe.epochs} epochs: {words}"


def workers_beside_each_other(data: DataSet, gpus: list[torch.device]) -> str:
    """A thread for each GPU, all beginning at once: each ends as it does alone."""
    if len(gpus) < 2:
        return "not checked: there is one GPU"
    results: dict[int, list[Tensor]] = {}
    errors: list[BaseException] = []

    def work(index: int, key: int) -> None:
        try:
            gpu = Gpu(gpus[index])
            part = small(data).to(gpus[index])
            results[key] = ended(begun(ONE, EXACT, part, gpu, Plan(mode="graph", card=gpu.facts().name)), part, EXACT)
        except BaseException as error:
            errors.append(error)

    def together(jobs: list[tuple[int, int]]) -> None:
        threads = [threading.Thread(target=copy_context().run, args=(work, *job)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    together([(0, -1)])
    together([(index, index) for index in range(len(gpus))])
    if errors:
        raise AssertionError(f"{type(errors[0]).__name__}: {errors[0]}")
    counts = [differing(results[-1], results[index]) for index in range(len(gpus))]
    assert not any(counts), f"tensors that differ, by GPU: {counts}"
    return f"{len(gpus)} GPUs at once: every bit as alone"


def checks(data: DataSet, gpu: Gpu) -> dict[str, Callable[[], str]]:
    gpus = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    return {
        "images are those of a CPU": lambda: images_equal_those_of_a_cpu(data, gpu),
        "our kernels compute what torch does": lambda: kernels_equal_torch(gpu),
        "a replayed step is the plain step": lambda: graph_equals_eager(data, gpu),
        "a resumed run is the straight one": lambda: resumed_equals_straight(data, gpu),
        "nothing waits": lambda: nothing_waits(data, gpu),
        "half precision learns as well": lambda: accuracy_of_a_short_run(data, gpu),
        "workers beside each other": lambda: workers_beside_each_other(data, gpus),
    }
