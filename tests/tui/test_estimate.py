"""How long a training will take."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from store.records import Recipe
from tests.tui.scripted import done, step
from trainer.device import in_words
from trainer.estimate import Estimate, Paces
from tui.estimate import still_to_come, together
from zoo import CARDS

PUBLISHED = Recipe()


def about(seconds: float, *, measured: bool) -> object:
    """An estimate of so many seconds, but for rounding."""
    return Estimate(pytest.approx(seconds), measured)  # type: ignore[arg-type]


def test_a_network_that_trained_here_is_known_by_its_epochs() -> None:
    paces = Paces([done("a", "lenet", 0.7, device="CPU", seconds=2000.0)], "CPU")
    assert paces.epoch("lenet", PUBLISHED) == about(10.0, measured=True)
    assert paces.run("lenet", Recipe(epochs=50), epochs_done=20) == about(300.0, measured=True)


def test_runs_of_another_device_do_not_count() -> None:
    assert Paces([done("a", "lenet", 0.7, device="NVIDIA H100")], "CPU").epoch("lenet", PUBLISHED) is None


def test_a_run_on_fewer_images_is_scaled_to_all_of_them() -> None:
    short = Recipe(epochs=1, train_limit=5_000, test_limit=1_000)
    paces = Paces([done("a", "lenet", 0.7, device="CPU", seconds=1.0, recipe=short)], "CPU")
    assert paces.epoch("lenet", PUBLISHED) == about(10.0, measured=True)
    assert paces.epoch("lenet", short) == about(1.0, measured=True)


def test_a_run_with_the_same_batch_size_and_precision_is_believed_before_a_newer_one() -> None:
    large = Recipe(batch_size=1024)
    runs = [
        done("a", "lenet", 0.7, device="CPU", seconds=2000.0),
        done("b", "lenet", 0.7, device="CPU", seconds=1000.0, recipe=large),
    ]
    paces = Paces(runs, "CPU")
    assert paces.epoch("lenet", PUBLISHED) == about(10.0, measured=True)
    assert paces.epoch("lenet", large) == about(5.0, measured=True)


def test_one_that_never_trained_here_is_guessed_from_its_macs_and_activations() -> None:
    paces = Paces([done("a", "vgg11", 0.9, device="CPU", seconds=2000.0)], "CPU")
    guess = paces.epoch("vgg19", PUBLISHED)
    vgg11, vgg19 = CARDS["vgg11"], CARDS["vgg19"]
    assert vgg11.macs and vgg19.macs and vgg11.activations and vgg19.activations
    ratio = (vgg19.macs + 60 * vgg19.activations + 3e6) / (vgg11.macs + 60 * vgg11.activations + 3e6)
    assert guess == about(10.0 * ratio, measured=False)
    on_gpu = Paces([done("a", "vgg11", 0.9, device="NVIDIA H100", seconds=2000.0)], None).epoch("vgg19", PUBLISHED)
    ratio = (vgg19.macs + 100 * vgg19.activations + 1e8) / (vgg11.macs + 100 * vgg11.activations + 1e8)
    assert on_gpu == about(10.0 * ratio, measured=False)


@pytest.mark.parametrize(("known", "factor", "within"), [("vgg16", 3, 25), ("lenet", 3, 18), ("lenet", 6, 25)])
def test_from_one_network_the_published_times_of_others_are_guessed(known: str, factor: float, within: int) -> None:
    rows = {id: card.published for id, card in CARDS.items() if card.published and card.published.gpu == "RTX 3060"}
    run = done("a", known, 0.9, device="RTX 3060", seconds=rows[known].seconds)
    paces = Paces([run], "RTX 3060")
    guesses = {id: paces.run(id, PUBLISHED) for id in rows if id != known}
    near = [id for id, guess in guesses.items() if guess and 1 / factor < guess.seconds / rows[id].seconds < factor]
    assert len(rows) == 26 and len(near) == within


def test_the_guess_follows_networks_of_a_similar_size() -> None:
    slow_small = done("a", "lenet", 0.7, device="CPU", seconds=2000.0)  # many seconds for each of its few MACs
    large = done("b", "vgg16", 0.9, device="CPU", seconds=20_000.0)
    alone = Paces([large], "CPU").epoch("vgg19", PUBLISHED)
    both = Paces([slow_small, large], "CPU").epoch("vgg19", PUBLISHED)
    assert alone and both
    assert both.seconds == pytest.approx(alone.seconds, rel=0.1)


def test_nothing_is_guessed_for_what_has_no_macs() -> None:
    paces = Paces([done("a", "lenet", 0.7, device="CPU")], "CPU")
    assert paces.epoch("not-in-the-catalogue", PUBLISHED) is None


def test_side_by_side_takes_at_least_as_long_as_the_longest() -> None:
    three = [Estimate(100.0, True), Estimate(20.0, False), Estimate(30.0, True)]
    assert together(three) == Estimate(150.0, False)
    assert together(three, ["cuda:0", "cuda:1"]) == Estimate(100.0, False)
    assert together([Estimate(60.0, True)] * 4, ["cuda:0", "cuda:1"]) == Estimate(120.0, True)


def test_runs_that_are_bound_to_one_device_wait_for_it() -> None:
    two = ["cuda:0", "cuda:1"]
    three = [Estimate(100.0, True), Estimate(20.0, True), Estimate(30.0, True)]
    assert together(three, two, ["cuda:0", "cuda:0", None]) == Estimate(120.0, True)
    assert together(three, two, ["cuda:0", None, None]) == Estimate(100.0, True)


def test_what_is_still_to_come_counts_the_epochs_that_are_done() -> None:
    half = replace(done("a", "lenet", 0.7, device="CPU"), status="running", epochs_done=100, seconds=1000.0)
    fresh = replace(done("b", "vgg11", 0.0), status="queued", epochs_done=0, seconds=0.0)
    assert still_to_come([half, fresh], {}, Paces([], "CPU")) == {"a": Estimate(1000.0, True), "b": None}


def test_in_its_first_epoch_a_run_is_judged_by_its_images_a_second() -> None:
    fresh = replace(done("a", "lenet", 0.0), status="running", epochs_done=0, seconds=0.0, recipe=Recipe(epochs=2))
    known = still_to_come([fresh], {"a": step(1, 0)}, Paces([], "CPU"))
    assert known == {"a": about(2 * 50_000 / 5_000 / 0.9, measured=True)}


def test_the_device_is_named_as_runs_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("trainer.device.gpu_names", lambda: ["NVIDIA H100", "NVIDIA A100"])
    assert in_words(("auto",)) == {"auto": "NVIDIA H100"}
    assert in_words(("cuda:1", "cpu")) == {"cuda:1": "NVIDIA A100", "cpu": "CPU"}
    assert in_words(("cpu:0", "cpu:1")) == {"cpu:0": "CPU", "cpu:1": "CPU"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert in_words(("auto",)) == {"auto": "NVIDIA A100"}
    monkeypatch.setattr("trainer.device.gpu_names", list)
    assert in_words(("auto",)) == {"auto": "CPU"}
