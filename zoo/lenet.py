"""LeNet: let the network learn its own filters, small ones first.

Before LeNet, people designed by hand what a program should look for in an image: edges, corners, strokes. LeNet
showed that gradient descent finds better filters by itself when the network is built for images: the same small
filter slides over every position (a *convolution*), and pooling keeps what was found while forgetting exactly where.
Every network in this catalogue still works that way.

image 3×32×32 → 6×14×14 → 16×5×5 → 400 → 120 → 84 → 10 scores

Paper: "Gradient-Based Learning Applied to Document Recognition", LeCun, Bottou, Bengio and Haffner, 1998,
https://doi.org/10.1109/5.726791

For CIFAR-10: three input channels for colour instead of one for grey; ReLU and max-pooling instead of the paper's
scaled tanh and trainable average pooling. Widths and layers are the paper's. The 61,706 parameters of the grey
version become 62,006.

Look at: how each convolution without padding shrinks the image by 4 pixels, and where the parameters are: 48,120 of
the 62,006 stand in the first linear layer, not in the convolutions.
"""

from torch import Tensor, nn


class LeNet(nn.Module):
    """LeNet-5 for 32×32 colour images: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 6, kernel_size=5), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Sequential(nn.Conv2d(6, 16, kernel_size=5), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages(images)  # (N, 16, 5, 5)
        return self.head(x)  # (N, classes)


def lenet(classes: int = 10) -> LeNet:
    return LeNet(classes)
