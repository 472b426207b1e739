"""Fashion-MNIST: 28×28 grey images of ten kinds of clothing, 60,000 for training and 10,000 for testing.

H. Xiao, K. Rasul and R. Vollgraf, *Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms*,
2017 (arXiv 1708.07747), MIT licence. The four official files are read as they are; see `fedlens.data.downloads` for
where. The scaling is that of Bhagoji et al. (arXiv 1811.12470): pixels / 255.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.data.about import About
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.downloads import RemoteFiles, locate

if TYPE_CHECKING:
    from torch import Tensor

FILES = RemoteFiles(
    title="Fashion-MNIST",
    folder="fashion-mnist",
    sha256={
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
)

CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


class FashionMnist(Data):
    """Fashion-MNIST: ten kinds of clothing, downloaded when first used.

    Inputs are ``[n, 1, 28, 28]`` in [0, 1].

    Example:
        >>> from fedlens import Experiment
        >>> from fedlens.data import FashionMnist
        >>> Experiment(data=FashionMnist(), model="small").describe()["data"]
        {'name': 'fashion-mnist'}
    """

    about = About(
        source="https://github.com/zalandoresearch/fashion-mnist",
        citation="H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine "
        "Learning Algorithms, 2017, arXiv 1708.07747",
        licence="MIT",
    )

    def load(self, directory: Path | None = None) -> Dataset:
        """Load 60,000 training and 10,000 test samples.

        Args:
            directory: where to look for the four files before the cache and the network.

        Raises:
            DataError: a file is missing or corrupt, and could not be downloaded.
        """
        paths = locate(FILES, directory)
        return Dataset(
            train=_samples(paths, "train", 60_000),
            test=_samples(paths, "t10k", 10_000),
            classes=CLASSES,
        )

    @override
    def default_trigger(self) -> dict[str, Any]:
        # At the lower right, as far as the model `tiny` sees: its strides leave out the last three rows and columns.
        return {"name": "pixel-patch", "place": [22, 22]}


def _samples(paths: dict[str, Path], part: str, count: int) -> Samples:
    images, labels = paths[f"{part}-images-idx3-ubyte.gz"], paths[f"{part}-labels-idx1-ubyte.gz"]
    x = parse_idx(gzip.decompress(images.read_bytes()), (count, 28, 28))
    y = parse_idx(gzip.decompress(labels.read_bytes()), (count,))
    return Samples(x.unsqueeze(1).to(torch.float32).div_(255), y.to(torch.int64))


def parse_idx(content: bytes, shape: tuple[int, ...]) -> Tensor:
    """Return the values of a file in the IDX format, uint8 of this shape; they share no memory with `content`.

    The format (Y. LeCun, C. Cortes and C. Burges, *The MNIST database*): two zero bytes, one for the type (8: unsigned
    byte), one for the number of dimensions; each dimension as a big-endian 32-bit number; the values, last index
    fastest. The header is not read: whose digest is right has the right one.
    """
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape).copy())
