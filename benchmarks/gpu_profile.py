"""Where the time of a training step goes on a GPU, kernel by kernel.

    python benchmarks/gpu_profile.py [MODEL...] [--plan graph,fp16,channels_last] [--top 16]

Says how long a step takes, how many kernels it is made of, and how long they keep the GPU busy together: as long as the
step where they run one after the other, longer where they overlap, and less where the GPU waits. Then the kernels that
take most. The images are made up.
"""

from __future__ import annotations

import argparse

from gpu import plan_in_words
from gpu_checks import begun, gpu_at_hand
from msgspec.structs import replace
from torch.profiler import ProfilerActivity, profile

from store.records import Recipe
from trainer.batch import draw
from trainer.cuda import Gpu
from trainer.data import DataSet, load
from trainer.loop import train_step
from trainer.plan import Plan
from trainer.source import Source

STEPS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", default=["resnet18", "mobilenetv3_small"])
    parser.add_argument("--plan", type=plan_in_words, default="graph,fp16,channels_last")
    parser.add_argument("--top", type=int, default=16, help="kernels to show")
    parser.add_argument("--device", default="cuda:0")
    options = parser.parse_args()
    gpu = gpu_at_hand(options.device)
    data = load(Source("synthetic"), train_limit=STEPS * 128, test_limit=250).to(gpu.device)
    for model in options.models:
        show(model, replace(options.plan, card=gpu.facts().name), data, gpu, options.top)
        gpu.tidy()


def show(model: str, plan: Plan, data: DataSet, gpu: Gpu, top: int) -> None:
    recipe = Recipe(epochs=1)
    state, engine = begun(model, recipe, data, gpu, plan)
    drawn = engine.hold(draw(recipe, len(data.train), len(state.tally.losses), 0, 1))
    state.network.train()
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for state.step in range(STEPS):
            engine.train(train_step, state, data, drawn, recipe)
        gpu.finish()
    kernels = sorted(profiler.key_averages(), key=lambda kernel: -kernel.self_device_time_total)
    busy = sum(kernel.self_device_time_total for kernel in kernels) / STEPS / 1e3
    count = sum(kernel.count for kernel in kernels) / STEPS
    print(f"{model}: a step takes {1e3 * engine.seconds_per_step(state):.3f} ms; {count:.0f} kernels, {busy:.3f} ms")
    for kernel in kernels[:top]:
        each = kernel.self_device_time_total / STEPS / 1e3
        print(f"  {each:7.3f} ms  {kernel.count / STEPS:5.0f} times  {kernel.key[:100]}")


if __name__ == "__main__":
    main()
