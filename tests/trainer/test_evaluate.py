"""Evaluation of a trained network, and of single pictures."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from store.errors import Problem
from store.records import Recipe, Step
from trainer import loop
from trainer.augment import normalised
from trainer.data import DataSet, load
from trainer.engine import Engine
from trainer.evaluate import Evaluation, classes_of, evaluate
from trainer.job import fresh_network
from trainer.plan import Plan
from trainer.predict import guesses, seen
from trainer.source import Source
from trainer.state import State, Tally

ENGINE = Engine(torch.device("cpu"), Plan())


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load(Source("synthetic"), train_limit=1, test_limit=1200)


def end(steps: Generator[Step, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def test_loss_and_accuracy_are_those_that_training_reports(data: DataSet) -> None:
    network = fresh_network("lenet", 1)
    found: Evaluation = end(evaluate(network, data, ENGINE))
    state = State(network, torch.optim.SGD(network.parameters()), Tally.empty(1, like=torch.zeros(1)))
    loss, accuracy = end(loop.evaluate(state, data.test, Recipe(), ENGINE))
    assert found.loss == pytest.approx(loss, rel=1e-6) and found.accuracy == accuracy
    assert found.images == 1200 and found.images_per_second > 0 and found.latency > 0


class Always(nn.Module):
    """Takes everything for class 3, but what begins with a dark pixel for class 7."""

    def forward(self, images: Tensor) -> Tensor:
        dark = images[:, :, 0, 0].mean(1) < 0
        return nn.functional.one_hot(torch.where(dark, 7, 3), 10).float()


def test_the_confusion_matrix_has_a_row_for_each_true_class(data: DataSet) -> None:
    found: Evaluation = end(evaluate(Always(), data, ENGINE))
    labels = data.test.labels
    assert [sum(row) for row in found.confusion] == torch.bincount(labels, minlength=10).tolist()
    assert all(row[label] == 0 for row in found.confusion for label in (0, 1, 2, 4, 5, 6, 8, 9))
    assert found.confusion[5][3] + found.confusion[5][7] == int((labels == 5).sum())
    assert found.class_accuracies[3] == found.confusion[3][3] / sum(found.confusion[3])
    assert found.class_accuracies[0] == 0.0 and found.accuracy < 0.2
    assert found.mistakes(1)[0][2] == max(
        images for true, row in enumerate(found.confusion) for place, images in enumerate(row) if place != true
    )


def test_a_network_whose_scores_are_not_finite_is_told_of(data: DataSet) -> None:
    network = fresh_network("lenet", 1)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(Problem, match="not finite"):
        end(evaluate(network, data, ENGINE))
    with pytest.raises(Problem, match="not finite"):
        guesses(network, data.test.images[0], classes_of("cifar10"), ENGINE)


def test_the_most_probable_classes_come_first(data: DataSet) -> None:
    best = guesses(Always(), torch.full((3, 32, 32), 255, dtype=torch.uint8), classes_of("cifar10"), ENGINE)
    assert best[0].name == "cat" and len(best) == 3
    assert best[0].probability > best[1].probability == best[2].probability


def test_a_picture_of_cifar10s_size_is_seen_as_it_is(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (32, 32, 3), dtype=torch.uint8)
    Image.fromarray(pixels.numpy()).save(tmp_path / "one.png")
    assert torch.equal(seen(tmp_path / "one.png"), pixels.permute(2, 0, 1))


def test_the_square_in_the_middle_is_seen_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (128, 64), "red")
    picture.paste("blue", (32, 0, 96, 64))
    picture.paste("green", (32, 0, 96, 32))
    upright = seen(picture_in(picture, tmp_path / "one.png"))
    assert upright[:, 4, 4].tolist() == [0, 128, 0] and upright[:, 28, 28].tolist() == [0, 0, 255]
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was turned: the left edge is the top
    picture.rotate(90, expand=True).save(tmp_path / "turned.png", exif=turned)
    assert (seen(tmp_path / "turned.png").int() - upright.int()).abs().max() <= 1


def picture_in(picture: Image.Image, path: Path) -> Path:
    picture.save(path)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16", "F"])
def test_every_kind_of_picture_becomes_colours_of_eight_bits(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        picture = Image.new("I;16", (40, 40), 65_535)
    elif mode == "F":
        picture = Image.new("F", (40, 40), 255.0)
    else:
        picture = Image.new("RGB", (40, 40), "white").convert(mode)
    found = seen(picture_in(picture, tmp_path / "one.tiff"))
    assert found.shape == (3, 32, 32) and found.dtype == torch.uint8 and int(found.min()) >= 254


def test_what_is_transparent_is_laid_on_white(tmp_path: Path) -> None:
    assert int(seen(picture_in(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), tmp_path / "one.png")).min()) == 255


def test_what_is_no_picture_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(Problem, match=r"text\.png is not a picture"):
        seen(tmp_path / "text.png")
    whole = picture_in(Image.effect_noise((64, 64), 50), tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Problem, match=r"cut\.png"):
        seen(tmp_path / "cut.png")
    with pytest.raises(Problem, match="No such file"):
        seen(tmp_path / "missing.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(Problem, match="too many pixels"):
        seen(tmp_path / "whole.png")


def test_the_most_confident_mistakes_come_first_with_their_images(data: DataSet) -> None:
    network = fresh_network("lenet", 1)
    found: Evaluation = end(evaluate(network, data, ENGINE, worst=5))
    with torch.no_grad():
        scores = network(normalised(data.test.images, **ENGINE.form))
    confidence, predicted = scores.double().softmax(1).max(1)
    wrong = [place for place in range(len(data.test)) if predicted[place] != data.test.labels[place]]
    wrong.sort(key=lambda place: -confidence[place].item())
    assert [mistake.place for mistake in found.worst] == wrong[:5]
    for mistake in found.worst:
        image = data.test.images[mistake.place]
        assert mistake.true == data.test.labels[mistake.place] != mistake.predicted
        assert mistake.confidence == pytest.approx(confidence[mistake.place].item())
        assert mistake.pixels == image.numpy().tobytes()


def test_no_mistakes_are_kept_unless_they_are_asked_for(data: DataSet) -> None:
    assert end(evaluate(Always(), data, ENGINE)).worst == ()
