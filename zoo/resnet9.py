"""ResNet-9: remove whatever costs more time than it earns.

In 2018 the DAWNBench competition measured not accuracy but time: how soon does a network classify CIFAR-10 with 94 %
accuracy? David Page took a ResNet and removed what did not pay. Eight convolutions and one linear layer were left,
with two residual blocks among them, and pooling did what strides had done. One GPU needed little more than a minute,
and the fast CIFAR-10 trainings of the years since descend from this network.

image 3×32×32 → 64×32×32 → 128×16×16 → 256×8×8 → 512×4×4 → 512 → 10 scores

Paper: "How to Train Your ResNet", Page, 2018,
https://github.com/davidcpage/cifar10-fast (not a paper but a series of articles; this is their code)

For CIFAR-10: nothing is changed. The network is the one of the article's DAWNBench entry (`dawn.py`), with ordinary
ReLU and batch norm; later versions exchanged these.

Look at: the head. Its scores are multiplied by 0.125, so softmax starts soft and the loss does not chase the first
confident mistakes.
"""

from torch import Tensor, nn


class Residual(nn.Module):
    """Two 3×3 convolutions, each with batch norm and ReLU, added to their input; the shape stays."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(conv_bn_relu(width, width), conv_bn_relu(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convs(x)  # (N, width, H, W)


def conv_bn_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    """A 3×3 convolution with batch norm and ReLU: (N, in, H, W) → (N, out, H, W)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class ResNet9(nn.Module):
    """Eight convolutions and a linear layer: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    SCORE_SCALE = 0.125

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 64)
        self.stages = nn.Sequential(
            nn.Sequential(conv_bn_relu(64, 128), nn.MaxPool2d(2), Residual(128)),
            nn.Sequential(conv_bn_relu(128, 256), nn.MaxPool2d(2)),
            nn.Sequential(conv_bn_relu(256, 512), nn.MaxPool2d(2), Residual(512)),
        )
        self.head = nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(512, classes, bias=False))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 64, 32, 32)
        x = self.stages(x)  # (N, 512, 4, 4)
        return self.SCORE_SCALE * self.head(x)  # (N, classes)


def resnet9(classes: int = 10) -> ResNet9:
    return ResNet9(classes)
