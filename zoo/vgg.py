"""VGG: nothing but 3×3 convolutions, and more of them.

Which filter size is best, 11×11, 7×7, 5×5? VGG answered: the smallest, repeated. Two 3×3 convolutions in a row see as
far as one 5×5, with fewer parameters and one more ReLU between them. So the only question left was how deep to go,
and the paper answered it by trying 11, 13, 16 and 19 layers, everything else being equal.

image 3×32×32 → 64×16×16 → 128×8×8 → 256×4×4 → 512×2×2 → 512×1×1 → 10 scores

Paper: "Very Deep Convolutional Networks for Large-Scale Image Recognition", Simonyan and Zisserman, 2014,
https://arxiv.org/abs/1409.1556

For CIFAR-10: the paper's configurations A, B, D and E, with batch norm after each convolution. (It was invented a year
later; the paper started its deep networks from trained shallow ones instead.) After five halvings one pixel of 512
channels is left, so one linear layer takes the place of the paper's three, which held most of its parameters. No
dropout.

Look at: the four factories at the end. The whole difference between the networks is five numbers: how many
convolutions each stage has.
"""

from torch import Tensor, nn


class VGG(nn.Module):
    """Five stages of 3×3 convolutions: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    WIDTHS = (64, 128, 256, 512, 512)  # output channels of the convolutions of each stage

    def __init__(self, depths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels = 3
        stages = []
        for depth, width in zip(depths, self.WIDTHS, strict=True):
            layers: list[nn.Module] = []
            for _ in range(depth):
                layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
            stages.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages(images)  # (N, 512, 1, 1)
        return self.head(x)  # (N, classes)


def vgg11(classes: int = 10) -> VGG:
    return VGG((1, 1, 2, 2, 2), classes)


def vgg13(classes: int = 10) -> VGG:
    return VGG((2, 2, 2, 2, 2), classes)


def vgg16(classes: int = 10) -> VGG:
    return VGG((2, 2, 3, 3, 3), classes)


def vgg19(classes: int = 10) -> VGG:
    return VGG((2, 2, 4, 4, 4), classes)
