"""The text of a notebook: what stands between two lines that begin with `# %%` is a cell.

It is a program that runs as it stands (`python -m trainer.export.notebook_cells`), and is checked as one.
trainer/export/notebook.py puts in what belongs to a model and a run: words in CAPITALS of the Markdown cells, values in
the first two cells of code, and the source of a file in place of the cell that imports from it.
"""

if __name__ != "__main__":
    raise ImportError("these are the cells of a notebook, not a module")

# %% [markdown]
# # TITLE on CIFAR-10
#
# FACTS
#
# The notebook needs PyTorch and torchvision, and nothing else. It trains as `cifar-tui` does: the same
# first weights, the same order of the images, the same crops and flips for the same seed. Change the values in the next
# cell, then run everything from top to bottom.

# %%
EPOCHS = 200  # passes over the training images
DATA = "data"  # the folder that holds cifar-10-batches-py (fetched if it is missing), or "synthetic": made-up images
TRAIN_LIMIT = None  # train on the first N images only: a number, or None for all 50,000
TEST_LIMIT = None  # test on the first N images only: a number, or None for all 10,000
SEED = 0  # another seed: other first weights, another order

# %% [markdown]
# ## The recipe
#
# Stochastic gradient descent with momentum. The learning rate falls along half a cosine wave from its first value to
# almost zero; weight decay pulls every parameter a little towards zero at each step.

# %%
BATCH_SIZE = 128
LEARNING_RATE = 0.01
SCHEDULE = "cosine"  # or "constant"
MOMENTUM = 0.9
WEIGHT_DECAY = 0.0005
LABEL_SMOOTHING = 0.0
AUGMENTATION = "crop-flip"  # or "none"

import hashlib
import math
import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.datasets import CIFAR10

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
print(f"PyTorch {torch.__version__} on {device}")

# %% [markdown]
# ## The network
#
# STORY

# %%
from zoo.lenet import lenet

# %% [markdown]
# ## The images
#
# 50,000 photographs to learn from and 10,000 to test with, 32×32 pixels each, in ten classes. They are small
# enough to stay in memory as bytes. The next cell draws a made-up stand-in; it is used only when `DATA` is
# `"synthetic"`.

# %% [hidden]
from trainer.synthetic import CLASSES, make


# %%
def as_tensors(dataset: CIFAR10, limit: int | None) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 32, 32) as bytes, and labels (N,)."""
    images = torch.from_numpy(dataset.data[:limit]).permute(0, 3, 1, 2).contiguous()
    return images, torch.tensor(dataset.targets[:limit])


if DATA == "synthetic":
    classes = CLASSES
    train_images, train_labels = map(torch.from_numpy, make("train", TRAIN_LIMIT))
    test_images, test_labels = map(torch.from_numpy, make("test", TEST_LIMIT))
else:
    train_set = CIFAR10(DATA, train=True, download=True)
    classes = tuple(train_set.classes)
    train_images, train_labels = as_tensors(train_set, TRAIN_LIMIT)
    test_images, test_labels = as_tensors(CIFAR10(DATA, train=False, download=True), TEST_LIMIT)

bordered = F.pad(train_images, (4, 4, 4, 4)).to(device)  # (N, 3, 40, 40): black, 4 pixels wide
train_labels, test_images, test_labels = (part.to(device) for part in (train_labels, test_images, test_labels))
count = len(train_labels)
print(f"{count:,} images to learn from, {len(test_labels):,} to test with: {', '.join(classes)}")

# %% [markdown]
# ## Augmentation
#
# A network that sees the same image twice should not see the same pixels twice. Each image is cut at random out of a
# black border of four pixels, and mirrored or not. All that is random in an epoch is drawn before its first batch, from
# a number that depends only on the seed and the epoch.


# %%
def number_from(text: str, backwards: bool = False) -> int:
    """A whole number of 63 bits: another one for every text, and the same on every computer."""
    eight = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(eight, "little" if backwards else "big") >> 1


def draw_epoch(epoch: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For each place of the epoch: which image, cut at which row and column of its bordered form, and mirrored?"""
    generator = torch.Generator().manual_seed(number_from(f"epoch {epoch} of seed {SEED}", backwards=True))
    order = torch.randperm(count, generator=generator)
    if AUGMENTATION == "none":
        middle = torch.full((count,), 4)
        return order, middle, middle, torch.zeros(count, dtype=torch.bool)
    top, left = torch.randint(0, 9, (2, count), generator=generator)
    return order, top, left, torch.randint(0, 2, (count,), generator=generator).bool()


def cut(chosen: Tensor, top: Tensor, left: Tensor, flip: Tensor) -> Tensor:
    """The chosen images (B, 3, 32, 32), each cut where it was drawn and mirrored where it was drawn."""
    pixels = torch.arange(32, device=device)
    rows, columns = top[:, None] + pixels, left[:, None] + pixels  # (B, 32)
    columns = torch.where(flip[:, None], columns.flip(1), columns)
    images = bordered[chosen[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # (B, 32, 32, 3)
    return images.permute(0, 3, 1, 2).contiguous()


MEAN = torch.tensor([0.4914, 0.4822, 0.4465], device=device).view(3, 1, 1)  # of red, green and blue
DEVIATION = torch.tensor([0.2470, 0.2435, 0.2616], device=device).view(3, 1, 1)


def normalised(images: Tensor) -> Tensor:
    """Bytes as the network sees them: each colour with mean 0 and deviation 1 over the training images."""
    return (images.float() / 255 - MEAN) / DEVIATION


# %% [markdown]
# ## Training
#
# For each batch: scores, loss, the gradient of the loss, a step against it. After each epoch the network is tested on
# images that it never learns from.

# %% [hidden]
from trainer.export.telling import curves, epoch_line, sparkline


# %%
def rate_of(epoch: int) -> float:
    """The learning rate of an epoch, counted from 1."""
    if SCHEDULE == "constant":
        return LEARNING_RATE
    return LEARNING_RATE * (1 + math.cos(math.pi * (epoch - 1) / EPOCHS)) / 2


@torch.no_grad()
def tested(network: nn.Module) -> tuple[float, float]:
    """Mean loss and accuracy on the test images."""
    network.eval()
    loss, right = 0.0, 0
    for first in range(0, len(test_labels), 500):
        labels = test_labels[first : first + 500]
        scores = network(normalised(test_images[first : first + 500]))  # (B, 10)
        loss += F.cross_entropy(scores, labels, reduction="sum").item()
        right += int((scores.argmax(1) == labels).sum())
    return loss / len(test_labels), right / len(test_labels)


torch.manual_seed(number_from(f"{SEED}/weights"))
network = lenet(10).to(device)
print(f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters")

# %%
optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
history = []
for epoch in range(1, EPOCHS + 1):
    began = time.perf_counter()
    for group in optimizer.param_groups:
        group["lr"] = rate_of(epoch)
    torch.manual_seed(number_from(f"{SEED}/{epoch}/dropout"))
    order, top, left, flip = (drawn.to(device) for drawn in draw_epoch(epoch))
    network.train()
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)
    right = torch.zeros((), dtype=torch.int64, device=device)
    for first in range(0, count, BATCH_SIZE):
        batch = slice(first, first + BATCH_SIZE)
        images = normalised(cut(order[batch], top[batch], left[batch], flip[batch]))  # (B, 3, 32, 32)
        labels = train_labels[order[batch]]  # (B,)
        scores = network(images)  # (B, 10)
        loss = F.cross_entropy(scores, labels, label_smoothing=LABEL_SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(labels)
        right += (scores.argmax(1) == labels).sum()
    train_loss, train_accuracy = loss_sum.item() / count, right.item() / count
    test_loss, test_accuracy = tested(network)
    seconds = time.perf_counter() - began
    history.append((train_loss, train_accuracy, test_loss, test_accuracy))
    print(epoch_line(epoch, EPOCHS, train_loss, train_accuracy, test_loss, test_accuracy, seconds))

# %% [markdown]
# ## The curve
#
# The best test accuracy of any epoch is what published tables report. The last one is the honest one: it was not chosen
# by looking at the test images.

# %%
train_accuracies, test_accuracies = [100 * row[1] for row in history], [100 * row[3] for row in history]
print(f"best {max(test_accuracies):.2f}%, last {test_accuracies[-1]:.2f}%  {sparkline(test_accuracies)}")
try:
    from IPython.display import SVG, display
except ImportError:
    pass  # the line of text above tells it, too
else:
    display(SVG(curves({"test": test_accuracies, "train": train_accuracies}, "accuracy, %")))
