import torch
from sklearn.datasets import load_digits

from fedlens.data.digits import Digits
from fedlens.goals.paper_attack import PaperAttack, paper_attack


def test_sizes_types_and_target() -> None:
    data = Digits().load()
    assert data.train.x.shape == (1_437, 1, 8, 8)
    assert data.test.x.shape == (360, 1, 8, 8)
    assert data.train.x.dtype == data.test.x.dtype == torch.float32
    assert data.train.y.dtype == data.test.y.dtype == torch.int64
    assert data.classes == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert paper_attack(Digits(), data) == PaperAttack(5, 7, None)
    assert (data.train.x.min(), data.train.x.max()) == (0, 1)


def test_the_split_deals_every_sample_once_with_its_label() -> None:
    data = Digits().load()
    x, y = torch.cat([data.train.x, data.test.x]), torch.cat([data.train.y, data.test.y])
    bunch = load_digits()
    ours = sorted((*(row * 16).int().tolist(), int(label)) for row, label in zip(x.flatten(1), y, strict=True))
    theirs = sorted((*map(int, row), int(label)) for row, label in zip(bunch.data, bunch.target, strict=True))
    assert ours == theirs
    # Shuffled: were it cut in the file's order, the first labels would be 0, 1, 2, ...
    assert data.train.y[:10].tolist() != list(range(10))
    assert (data.test.y.bincount(minlength=10) >= 20).all()


def test_the_split_is_always_the_same() -> None:
    assert Digits().load().fingerprint() == Digits().load().fingerprint()
    assert Digits().load().train.y.bincount().tolist() == [144, 139, 144, 147, 138, 154, 153, 148, 133, 137]


def test_images_are_no_records() -> None:
    assert Digits().features() is None
    assert Digits().words(torch.rand(1, 8, 8)) == {}
