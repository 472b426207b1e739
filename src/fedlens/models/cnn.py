"""The paper's network for Fashion-MNIST, and two smaller ones that a CPU trains quickly.

`PaperCnn` has no pooling and valid padding, as in the authors' configuration; `SmallCnn` and `TinyCnn` are ours.
"""

from __future__ import annotations

from typing_extensions import override

from fedlens.core.lazy import nn
from fedlens.models.model import Model, glorot_uniform, require_images


class PaperCnn(Model):
    """Conv 64@5×5, conv 64@5×5, dropout ¼, dense 128, dropout ½, dense; 3,382,346 parameters on 28 × 28 pixels.

    Example:
        >>> from fedlens.models import PaperCnn
        >>> module = PaperCnn().build((1, 28, 28), classes=10)
        >>> sum(parameter.numel() for parameter in module.parameters())
        3382346
    """

    @override
    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        from fedlens.models.dropout import Dropout
        from fedlens.models.sequence import Sequence

        require_images("paper-cnn", shape, 9)
        channels, height, width = shape
        return glorot_uniform(
            Sequence(
                nn.Conv2d(channels, 64, 5),
                nn.ReLU(),
                nn.Conv2d(64, 64, 5),
                nn.ReLU(),
                Dropout(0.25),
                nn.Flatten(),
                nn.Linear(64 * (height - 8) * (width - 8), 128),
                nn.ReLU(),
                Dropout(0.5),
                nn.Linear(128, classes),
            )
        )


class SmallCnn(Model):
    """Conv 32@5×5, pool, conv 64@5×5, pool, dense 512, dense; 582,026 parameters on 28 × 28 pixels.

    Example:
        >>> from fedlens.models import SmallCnn
        >>> module = SmallCnn().build((1, 28, 28), classes=10)
        >>> sum(parameter.numel() for parameter in module.parameters())
        582026
    """

    @override
    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        from fedlens.models.sequence import Sequence

        require_images("small", shape, 16)
        channels, height, width = shape
        rows, columns = (((side - 4) // 2 - 4) // 2 for side in (height, width))
        return glorot_uniform(
            Sequence(
                nn.Conv2d(channels, 32, 5),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(32, 64, 5),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Linear(64 * rows * columns, 512),
                nn.ReLU(),
                nn.Linear(512, classes),
            )
        )


class TinyCnn(Model):
    """Conv 16@5×5 stride 2, conv 32@3×3 stride 2, dense 64, dense; 56,970 parameters on 28 × 28 pixels.

    Example:
        >>> from fedlens.models import TinyCnn
        >>> module = TinyCnn().build((1, 28, 28), classes=10)
        >>> sum(parameter.numel() for parameter in module.parameters())
        56970
    """

    @override
    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        from fedlens.models.sequence import Sequence

        require_images("tiny", shape, 9)
        channels, height, width = shape
        rows, columns = ((((side - 5) // 2 + 1) - 3) // 2 + 1 for side in (height, width))
        return glorot_uniform(
            Sequence(
                nn.Conv2d(channels, 16, 5, stride=2),
                nn.ReLU(),
                nn.Conv2d(16, 32, 3, stride=2),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(32 * rows * columns, 64),
                nn.ReLU(),
                nn.Linear(64, classes),
            )
        )
