import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder

from fedlens.core.errors import DataError
from fedlens.data import adult
from fedlens.data.adult import Adult, columns
from fedlens.data.dataset import Dataset
from fedlens.goals.paper_attack import PaperAttack, paper_attack

PACKAGED = Path(adult.__file__).parent / "files"


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Adult().load()


def decode(row: torch.Tensor) -> dict[str, str | float]:
    """A row as feature → category or scaled number; fails where a feature has not exactly one category."""
    decoded: dict[str, str | float] = {}
    for column, value in zip(columns(), row.tolist(), strict=True):
        if column.category is None:
            decoded[column.feature] = value
        elif value == 1:
            assert column.feature not in decoded
            decoded[column.feature] = column.category
        else:
            assert value == 0
    return decoded


def test_sizes_types_and_the_papers_attack(data: Dataset) -> None:
    assert data.train.x.shape == (30_160, 104)
    assert data.test.x.shape == (15_060, 104)
    assert data.train.x.dtype == data.test.x.dtype == torch.float32
    assert data.train.y.dtype == data.test.y.dtype == torch.int64
    assert data.classes == (">50K", "<=50K")
    assert paper_attack(Adult(), data) == PaperAttack(0, 1, 0.84)


def test_class_counts(data: Dataset) -> None:
    # Of the 30,162 complete rows 7,508 are above 50K, the last of all among them; the last two rows are left out.
    assert data.train.y.bincount().tolist() == [7_507, 22_653]
    assert data.test.y.bincount().tolist() == [3_700, 11_360]


def test_first_training_row_by_hand(data: Dataset) -> None:
    # 39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, ...
    # Ranges: age 17-90, fnlwgt 13769-1484705, education-num 1-16, gain 0-99999, loss 0-4356, hours 1-99.
    assert decode(data.train.x[0]) == {
        "age": pytest.approx(22 / 73),
        "fnlwgt": pytest.approx(63_747 / 1_470_936),
        "education-num": pytest.approx(12 / 15),
        "capital-gain": pytest.approx(2_174 / 99_999),
        "capital-loss": 0,
        "hours-per-week": pytest.approx(39 / 98),
        "workclass": "State-gov",
        "education": "Bachelors",
        "marital-status": "Never-married",
        "occupation": "Adm-clerical",
        "relationship": "Not-in-family",
        "race": "White",
        "sex": "Male",
        "native-country": "United-States",
    }
    assert data.train.y[0] == 1


def test_last_kept_training_row_by_hand(data: Dataset) -> None:
    # 58, Private, 151910, HS-grad, 9, Widowed, Adm-clerical, Unmarried, White, Female, 0, 0, 40, United-States, <=50K
    row = decode(data.train.x[-1])
    assert row["age"] == pytest.approx(41 / 73)
    assert row["fnlwgt"] == pytest.approx(138_141 / 1_470_936)
    assert (row["marital-status"], row["sex"], row["education"]) == ("Widowed", "Female", "HS-grad")


def test_first_and_third_test_row_by_hand(data: Dataset) -> None:
    # 25, Private, 226802, 11th, 7, Never-married, Machine-op-inspct, Own-child, Black, Male, 0, 0, 40, ..., <=50K.
    first = decode(data.test.x[0])
    assert first["age"] == pytest.approx(8 / 73)
    assert (first["education"], first["relationship"], first["race"]) == ("11th", "Own-child", "Black")
    # 28, Local-gov, 336951, Assoc-acdm, 12, Married-civ-spouse, Protective-serv, Husband, White, Male, ..., >50K.
    assert decode(data.test.x[2])["occupation"] == "Protective-serv"
    assert data.test.y[:3].tolist() == [1, 1, 0]


def test_scaling_is_the_training_datas_and_does_not_clip(data: Dataset) -> None:
    numbers = data.train.x[:, :6]
    assert numbers.min(0).values.tolist() == [0] * 6
    assert numbers.max(0).values.tolist() == [1] * 6
    # Final weights of the test rows reach from 13,492 to 1,490,400.
    assert data.test.x[:, 1].min().item() == pytest.approx((13_492 - 13_769) / 1_470_936)
    assert data.test.x[:, 1].max().item() == pytest.approx((1_490_400 - 13_769) / 1_470_936)


def test_the_encoding_is_that_of_pandas_and_scikit_learn(data: Dataset) -> None:
    options: dict[str, Any] = {"comment": "|", "skipinitialspace": True, "na_values": "?", "names": adult._FIELDS}
    train = pd.read_csv(PACKAGED / "adult.data.gz", **options).dropna()[:30_160]
    scaler = MinMaxScaler().fit(train[[*adult.NUMERIC]].to_numpy(float))
    encoder = OneHotEncoder(sparse_output=False).fit(train[[*adult.CATEGORICAL]].to_numpy(object))
    for rows, samples in (
        (train, data.train),
        (pd.read_csv(PACKAGED / "adult.test.gz", **options).dropna(), data.test),
    ):
        numbers = scaler.transform(rows[[*adult.NUMERIC]].to_numpy(float))
        flags = encoder.transform(rows[[*adult.CATEGORICAL]].to_numpy(object))
        assert np.array_equal(np.hstack([numbers, flags]).astype(np.float32), samples.x.numpy())
        assert rows["income"].str.startswith("<=50K").tolist() == (samples.y == 1).tolist()
    for number, feature in enumerate(adult.NUMERIC):
        assert Adult().encoded(feature, 50) == {number: 50 * scaler.scale_[number] + scaler.min_[number]}


def test_columns_group_by_feature(data: Dataset) -> None:
    found = columns()
    assert len(set(found)) == 104
    assert [str(column) for column in found[:7]] == [*adult.NUMERIC, "workclass=Federal-gov"]
    sizes = {name: sum(column.feature == name for column in found) for name in adult.CATEGORICAL}
    assert list(sizes.values()) == [7, 16, 7, 14, 6, 5, 2, 41]
    one_hot = torch.stack(
        [data.test.x[:, [c.feature == name for c in found]].sum(1) for name in adult.CATEGORICAL], dim=1
    )
    assert (one_hot == 1).all()


def test_a_feature_for_each_column() -> None:
    features = Adult().features()
    assert list(features) == [column.feature for column in columns()]
    assert len(features) == 104
    assert list(dict.fromkeys(features)) == [*adult.NUMERIC, *adult.CATEGORICAL]
    assert features[:8] == (*adult.NUMERIC, "workclass", "workclass")


@pytest.mark.parametrize("place", [0, 2, 7_000, 15_059])
def test_words_are_those_of_the_row(data: Dataset, place: int) -> None:
    lines = gzip.decompress((PACKAGED / "adult.test.gz").read_bytes()).decode().splitlines()[1:]
    row = [line for line in lines if line and "?" not in line][place].split(", ")
    words = Adult().words(data.test.x[place])
    assert [words[name] for name in adult._FIELDS[:-1]] == row[:-1]
    assert len(words) == 14


def test_words_by_hand(data: Dataset) -> None:
    words = Adult().words(data.test.x[0])
    assert words["age"] == "25"
    assert words["fnlwgt"] == "226802"
    assert words["occupation"] == "Machine-op-inspct"
    assert words["capital-gain"] == "0"


def test_directory_is_ignored_and_loading_repeats(data: Dataset, tmp_path: Path) -> None:
    assert Adult().load(tmp_path / "nowhere").fingerprint() == data.fingerprint()


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def damage(packed: bytes) -> bytes:
        content = gzip.decompress(packed)
        assert old in content
        return gzip.compress(content.replace(old, new, 1), 1)

    return damage


DAMAGES: dict[str, tuple[str, Callable[[bytes], bytes] | None, str]] = {
    "missing": ("adult.data.gz", None, "adult.data.gz cannot be read"),
    "truncated": ("adult.data.gz", lambda packed: packed[:-1000], "adult.data.gz cannot be read"),
    "not gzip": ("adult.test.gz", gzip.decompress, "adult.test.gz cannot be read"),
    "flipped": ("adult.test.gz", lambda p: p[:999] + bytes([p[999] ^ 255]) + p[1000:], "adult.test.gz cannot be read"),
    "a row lost": ("adult.data.gz", replaced(b"39, State-gov", b"?, ?\n|"), "cannot be read"),
    "no number": ("adult.data.gz", replaced(b"39, State-gov", b"old, State-gov"), "cannot be read"),
    "a row incomplete": (
        "adult.data.gz",
        replaced(b"39, State-gov", b"39, ?"),
        "adult.data.gz has 30,161 complete rows instead of 30,162",
    ),
    "no such class": ("adult.test.gz", replaced(b"<=50K.", b"<=60K."), "cannot be read"),
    "another column": ("adult.data.gz", replaced(b"State-gov", b"Stategov"), "105 columns instead of 104"),
    "unknown category": ("adult.test.gz", replaced(b"Local-gov", b"Localgov"), "adult.test.gz has a category"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_package_is_refused(damage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name, change, message = DAMAGES[damage]
    (tmp_path / "files").mkdir()
    for packed in PACKAGED.glob("*.gz"):
        if packed.name != name:
            (tmp_path / "files" / packed.name).symlink_to(packed)
        elif change is not None:
            (tmp_path / "files" / packed.name).write_bytes(change(packed.read_bytes()))
    monkeypatch.setattr(adult, "files", lambda package: tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        Adult().load()
    assert "install it again" in str(caught.value)
