"""AlexNet: the same idea as LeNet, but large, on a GPU, with ReLU and dropout.

For years, networks were thought too hard to train for real photographs. AlexNet won the ImageNet contest of 2012 by a
wide margin and ended the debate. Three things made its size trainable: ReLU, whose gradient does not fade for large
inputs as that of tanh does; *dropout*, which silences half of the inputs of a layer at random so that no feature can
rely on another one; and graphics cards.

image 3×32×32 → 64×16×16 → 192×8×8 → 256×4×4 → 4096 → 4096 → 4096 → 10 scores

Paper: "ImageNet Classification with Deep Convolutional Neural Networks", Krizhevsky, Sutskever and Hinton, 2012,
https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks

For CIFAR-10: five convolutions as in the paper, but all of them 3×3 with stride 1, since the paper's 11×11 with
stride 4 would leave little of a 32×32 image. No local response normalisation, and a 2×2 max-pooling instead of the
overlapping one. The widths are those of the first author's later version for a single GPU.

Look at: where the parameters are. The two linear layers of 4096 hold 33,562,624 of the 35,855,178, and dropout stands
before each of them: where the parameters are, there is the risk of learning by heart.
"""

from torch import Tensor, nn


class AlexNet(nn.Module):
    """Five convolutions, three linear layers: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 64, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Sequential(nn.Conv2d(64, 192, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Sequential(
                nn.Conv2d(192, 384, kernel_size=3, padding=1),
                nn.ReLU(),
                nn.Conv2d(384, 256, kernel_size=3, padding=1),
                nn.ReLU(),
                nn.Conv2d(256, 256, kernel_size=3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(256 * 4 * 4, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages(images)  # (N, 256, 4, 4)
        return self.head(x)  # (N, classes)


def alexnet(classes: int = 10) -> AlexNet:
    return AlexNet(classes)
