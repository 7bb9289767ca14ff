"""Any picture, seen as CIFAR-10 would show it, and what a network takes it for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor, nn

from store.errors import Problem
from trainer.cifar10 import reason
from trainer.engine import Engine
from trainer.evaluate import scores_of

SIDE = 32  # pixels


class Guess(NamedTuple):
    """A class, and how probable the network holds it to be."""

    name: str
    probability: float


def seen(path: Path) -> Tensor:
    """The picture in a file as CIFAR-10 would show it, uint8 (3, 32, 32): the square in its middle, made small.

    Turned upright as the camera noted; what is transparent is laid on white. Raises Problem for what is no picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                upright = ImageOps.exif_transpose(file)
                picture = ImageOps.fit(on_white(upright), (SIDE, SIDE), Image.Resampling.BOX)
    except UnidentifiedImageError:
        raise Problem(f"{path} is not a picture in a format that can be read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Problem(
            f"{path} has too many pixels: {Image.MAX_IMAGE_PIXELS or 0:,} are the most that is read"
        ) from None
    except OSError as error:
        raise Problem(f"cannot read {path}: {reason(error)}") from error
    except (ValueError, SyntaxError, EOFError, MemoryError) as error:  # what Pillow raises for damaged files
        raise Problem(f"{path} is a damaged picture: {error}") from error
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return pixels.view(SIDE, SIDE, 3).permute(2, 0, 1).contiguous()


def on_white(picture: Image.Image) -> Image.Image:
    """The picture in red, green and blue of 8 bits each."""
    if picture.mode.startswith(("I", "F")):  # deep greys: Pillow would cut off what is above 255
        scale = 255 / (1.0 if picture.mode == "F" else 65_535.0)
        return picture.convert("F").point(lambda value: value * scale + 0.0).convert("L").convert("RGB")
    if "transparency" not in picture.info and picture.mode not in {"RGBA", "LA", "PA"}:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


@torch.no_grad()
def guesses(network: nn.Module, picture: Tensor, classes: Sequence[str], engine: Engine, count: int = 3) -> list[Guess]:
    """What the network takes a picture, uint8 (3, 32, 32), for: the most probable classes first."""
    network.eval()
    probabilities = scores_of(network, picture[None].to(engine.device), engine)[0].softmax(0)  # (classes,)
    if not probabilities.isfinite().all():
        raise Problem("the scores of this network are not finite numbers: its weights are damaged")
    best = probabilities.topk(min(count, len(classes)))
    return [Guess(classes[label], best.values[place].item()) for place, label in enumerate(best.indices.tolist())]
