"""A table becomes samples: scaled and one-hot columns, fitted to the training rows, and a split that never changes."""

import codecs
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from fedlens.core.errors import ConfigError, DataError
from fedlens.data import table_loading
from fedlens.data.dataset import Dataset
from fedlens.data.table import Table
from fedlens.data.table_columns import TableColumns
from fedlens.experiment.experiment import Experiment
from fedlens.runs.loading import load_experiment

ROWS = [
    (20 + n, ["north", "south", "west"][n % 3], f"2024-01-{1 + n % 28:02}", n / 4, ["no", "yes"][n % 2])
    for n in range(60)
]
FRAME = pd.DataFrame(ROWS, columns=["age", "region", "since", "amount", "paid"])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDLENS_DATA", raising=False)


def csv(frame: pd.DataFrame = FRAME, path: str = "mine.csv", **options: object) -> str:
    frame.to_csv(path, index=False, **options)  # type: ignore[call-overload]
    return path


def same(one: Dataset, other: Dataset) -> bool:
    return one.fingerprint() == other.fingerprint()


def columns(dataset: Dataset) -> TableColumns:
    assert isinstance(dataset.columns, TableColumns)
    return dataset.columns


def test_every_column_is_encoded_as_scikit_learn_does_on_the_training_rows() -> None:
    dataset = Table(path=csv()).load()
    x = torch.cat([dataset.train.x, dataset.test.x]).double().numpy()
    ages = [int(columns(dataset).words(torch.from_numpy(row))["age"]) for row in x]
    assert sorted(ages) == FRAME.age.tolist()
    places = [age - 20 for age in ages]
    frame, train = FRAME.loc[places], FRAME.loc[places[: len(dataset.train)]]
    day = pd.to_datetime(FRAME.since).map(pd.Timestamp.toordinal)
    numbers = pd.DataFrame({"age": frame.age, "since": day[frame.index], "amount": frame.amount}).to_numpy(float)
    scaled = MinMaxScaler().fit(numbers[: len(train)]).transform(numbers)
    hot = OneHotEncoder(sparse_output=False).fit(train[["region"]]).transform(frame[["region"]])
    expected = np.column_stack([scaled[:, 0], hot, scaled[:, 1], scaled[:, 2]])
    np.testing.assert_allclose(x, expected, atol=1e-6)
    assert dataset.columns is not None
    assert dataset.columns.features == ("age", "region", "region", "region", "since", "amount")
    y = torch.cat([dataset.train.y, dataset.test.y])
    assert [dataset.classes[label] for label in y.tolist()] == frame.paid.tolist()


def test_standard_scaling_is_scikit_learns() -> None:
    dataset = Table(path=csv(FRAME[["age", "amount", "paid"]]), scaling="standard").load()
    raw = np.array([[float(columns(dataset).words(row)["age"])] for row in dataset.train.x])
    np.testing.assert_allclose(dataset.train.x[:, :1].numpy(), StandardScaler().fit_transform(raw), atol=1e-5)
    np.testing.assert_allclose(dataset.train.x.mean(0).numpy(), [0, 0], atol=1e-5)


def test_a_share_of_each_class_is_drawn_and_the_same_every_time() -> None:
    frame = FRAME.assign(paid=["rare"] * 10 + ["often"] * 50)
    first, again = (Table(path=csv(frame)).load() for _ in range(2))
    assert same(first, again)
    assert first.test.y.bincount().tolist() == [10, 2]  # of often, rare
    assert Table(path="mine.csv", test=0.5).load().test.y.bincount().tolist() == [25, 5]


def test_a_class_of_one_sample_is_for_training(caplog: pytest.LogCaptureFixture) -> None:
    dataset = Table(path=csv(FRAME.assign(paid=["once", *["no", "yes"] * 29, "no"]))).load()
    assert dataset.test.y.bincount(minlength=3).tolist()[dataset.classes.index("once")] == 0
    assert "mine.csv: no test sample is once, of which there are too few" in caplog.text


def test_a_second_file_is_the_test_set_and_fits_nothing(caplog: pytest.LogCaptureFixture) -> None:
    csv()
    other = FRAME.iloc[:4].assign(age=[100, 20, 79, 20], region=["mars", "north", "south", "west"])
    csv(other[["paid", "region", "since", "amount", "age"]], "other.csv")
    dataset = Table(path="mine.csv", test="other.csv", label="paid").load()
    assert (len(dataset.train), len(dataset.test)) == (60, 4)
    torch.testing.assert_close(dataset.test.x[:, 0], torch.tensor([80 / 59, 0, 1, 0]))
    assert dataset.test.x[0, 1:4].tolist() == [0, 0, 0]
    assert columns(dataset).words(dataset.test.x[0])["region"] == "unknown"
    assert "column region: 1 test samples have categories that no training sample has ('mars')" in caplog.text


WRITTEN: dict[str, Callable[[pd.DataFrame], object]] = {
    "semicolons and decimal commas": lambda frame: csv(frame, sep=";", decimal=","),
    "tabs": lambda frame: csv(frame, sep="\t"),
    "pipes": lambda frame: csv(frame, sep="|"),
    "CRLF": lambda frame: csv(frame, lineterminator="\r\n"),
    "CR": lambda frame: csv(frame, lineterminator="\r"),
    "quotes": lambda frame: csv(frame, quoting=1),
    "a mark of UTF-8": lambda frame: csv(frame, encoding="utf-8-sig"),
    "UTF-16": lambda frame: csv(frame, encoding="utf-16"),
    "UTF-16, big end first": lambda frame: Path("mine.csv").write_bytes(
        codecs.BOM_UTF16_BE + frame.to_csv(index=False).encode("utf-16-be")
    ),
    "UTF-32": lambda frame: csv(frame, encoding="utf-32"),
    "blanks": lambda frame: Path("mine.csv").write_text(frame.to_csv(index=False).replace(",", " , ")),
    "blank lines": lambda frame: Path("mine.csv").write_text(frame.to_csv(index=False).replace("\n", "\n\n")),
    "empty rows": lambda frame: Path("mine.csv").write_text(frame.to_csv(index=False).replace("\n", "\n,,,,\n  \n")),
    "a line for Excel": lambda frame: Path("mine.csv").write_text("sep=;\r\n" + frame.to_csv(index=False, sep=";")),
    "the end of a file in DOS": lambda frame: Path("mine.csv").write_text(frame.to_csv(index=False) + "\x1a"),
    "no last line end": lambda frame: Path("mine.csv").write_text(frame.to_csv(index=False).rstrip()),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_however_it_is_written_it_is_the_same(how: str) -> None:
    expected = Table(path=csv()).load()
    WRITTEN[how](FRAME)
    assert same(Table(path="mine.csv").load(), expected), how


def test_names_in_brackets_are_no_json() -> None:
    Path("mine.csv").write_text("[age],<paid>\n" + "".join(f"{n},{n % 2}\n" for n in range(20)))
    assert columns(Table(path="mine.csv").load()).features == ("[age]",)


def test_long_labels_stay_apart() -> None:
    Path("mine.csv").write_text("age,paid\n" + "".join(f"{n},{1234567890123 + n % 2}\n" for n in range(20)))
    assert Table(path="mine.csv").load().classes == ("1234567890123", "1234567890124")


def test_numbers_that_the_user_calls_so_may_be_rounded() -> None:
    Path("mine.csv").write_text("wei,paid\n" + "".join(f"{10**18 + n},{n % 2}\n" for n in range(999, 9990, 301)))
    assert Table(path="mine.csv", types={"wei": "numeric"}).load().shape == (1,)


def test_what_does_not_fit_into_memory_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    csv()
    monkeypatch.setattr(table_loading, "empty", full)
    with pytest.raises(DataError) as caught:
        Table(path="mine.csv").load()
    words = (
        r"mine.csv: 60 rows of \d+ columns, 4 bytes each, do not fit into memory \(0.0 GiB\); leave .*: -o 'data.drop="
    )
    assert re.match(words, str(caught.value))
    monkeypatch.setattr(Path, "read_bytes", full)
    with pytest.raises(DataError, match=r"^mine.csv: its [\d,]+ bytes do not fit into memory; give it fewer rows"):
        Table(path="mine.csv").load()


def test_parquet_is_the_same_with_or_without_types_of_its_own() -> None:
    expected = Table(path=csv()).load()
    FRAME.to_parquet("mine.parquet")
    FRAME.assign(region=FRAME.region.astype("category"), since=pd.to_datetime(FRAME.since)).iloc[:].to_parquet(
        "typed.parquet"
    )
    for name in ("mine.parquet", "typed.parquet"):
        assert same(Table(path=name).load(), expected), name


def test_the_index_of_a_frame_is_no_column() -> None:
    FRAME.set_index(FRAME.age * 3).rename_axis(None).to_parquet("mine.parquet")
    assert "__index_level_0__" not in columns(Table(path="mine.parquet").load()).features


def test_latin_1_only_if_it_is_said() -> None:
    csv(FRAME.assign(region=["Küste", "Inland"] * 30), encoding="latin-1")
    dataset = Table(path="mine.csv", encoding="latin-1").load()
    assert columns(dataset).encoded("region", "Küste") == {1: 0.0, 2: 1.0}


def test_line_ends_in_quotes_belong_to_the_value() -> None:
    csv(FRAME.assign(region=["north\nsea", 'the "west"'] * 30))
    assert columns(Table(path="mine.csv").load()).encoded("region", "north\nsea") == {1: 1.0, 2: 0.0}


def test_labels_may_be_words_numbers_or_truths() -> None:
    for labels, classes in (
        ([10, 9, 2], ("2", "9", "10")),
        ([1.0, 0.0], ("0", "1")),
        ([True, False], ("false", "true")),
        (["b", "a"], ("a", "b")),
        ([-1, 1], ("-1", "1")),
    ):
        frame = FRAME.assign(paid=(labels * 60)[:60])
        frame.to_parquet("mine.parquet")
        for path in (csv(frame), "mine.parquet"):
            dataset = Table(path=path).load()
            assert [name.lower() for name in dataset.classes] == list(classes), path
    assert int(dataset.train.y.max()) == 1


def test_the_label_is_the_last_column_unless_it_is_said() -> None:
    csv()
    assert Table(path="mine.csv", label="region").load().classes == ("north", "south", "west")
    assert columns(Table(path="mine.csv", label="region").load()).features[-2:] == ("paid", "paid")


def test_a_group_is_an_owner_and_no_input() -> None:
    csv(FRAME.assign(hospital=[f"h{n % 7}" for n in range(60)])[["hospital", *FRAME.columns]])
    dataset = Table(path="mine.csv", group="hospital").load()
    assert dataset.groups is not None
    assert dataset.groups.names == tuple(f"h{n}" for n in range(7))
    ages = [int(columns(dataset).words(row)["age"]) for row in dataset.train.x]
    assert dataset.groups.of.tolist() == [(age - 20) % 7 for age in ages]
    assert "hospital" not in columns(dataset).features


def test_columns_are_left_out_and_taken_for_what_the_user_says() -> None:
    csv(FRAME.assign(zip=["01069", "80331"] * 30, floor=[1, 2, 3] * 20)[["zip", "floor", *FRAME.columns]])
    assert columns(Table(path="mine.csv").load()).described()["zip"][0] == "category"
    dataset = Table(path="mine.csv", drop=["zip", "since"], types={"floor": "category"}).load()
    assert dataset.columns is not None
    assert dataset.columns.features == ("floor",) * 3 + ("age",) + ("region",) * 3 + ("amount",)
    assert dataset.columns.encoded("floor", 2) == dataset.columns.encoded("floor", "2") == {0: 0.0, 1: 1.0, 2: 0.0}
    assert columns(Table(path="mine.csv", types={"zip": "numeric"}).load()).described()["zip"][0] == "numeric"


def test_truths_are_0_and_1() -> None:
    frame = FRAME.assign(smoker=[True, False] * 30)[["smoker", *FRAME.columns]]
    frame.to_parquet("mine.parquet")
    for path in (csv(frame), "mine.parquet"):
        dataset = Table(path=path).load()
        assert set(dataset.train.x[:, 0].tolist()) == {0, 1}
        assert columns(dataset).words(dataset.train.x[0])["smoker"] in {"true", "false"}
        assert columns(dataset).encoded("smoker", "true") == columns(dataset).encoded("smoker", 1) == {0: 1}


def lacking() -> pd.DataFrame:
    return FRAME.assign(
        age=FRAME.age.astype(float).where(FRAME.index != 3), region=FRAME.region.where(FRAME.index % 5 != 0)
    )


@pytest.mark.parametrize("word", ["", "NA", "?", "null"])
def test_what_is_missing_is_dropped_filled_in_or_a_category(word: str) -> None:
    csv(lacking(), na_rep=word)
    dropped = Table(path="mine.csv", missing="drop").load()
    assert len(dropped.train) + len(dropped.test) == 60 - 13
    filled = Table(path="mine.csv", missing="mean").load()
    assert len(filled.train) + len(filled.test) == 60
    train = filled.train.x
    assert (train[:, 1:4].sum(1) == 1).all()
    every = torch.cat([train, filled.test.x])
    regions = [columns(filled).words(row)["region"] for row in every]
    common = max(("north", "south", "west"), key=regions.count)
    assert regions.count(common) == lacking().region.value_counts()[common] + 12
    apart = Table(path="mine.csv", missing="category").load()
    assert [columns(apart).words(row)["region"] for row in torch.cat([apart.train.x, apart.test.x])].count(
        "missing"
    ) == 12


def test_missing_numbers_have_a_column_that_says_so() -> None:
    csv(FRAME.assign(age=FRAME.age.astype(float).where(FRAME.index % 3 != 0)))
    dataset = Table(path="mine.csv", missing="category").load()
    assert dataset.columns is not None
    assert dataset.columns.features[:2] == ("age", "age")
    every = torch.cat([dataset.train.x, dataset.test.x])
    assert every[:, 1].sum() == 20
    mean = dataset.train.x[dataset.train.x[:, 1] == 0, 0].mean()
    torch.testing.assert_close(every[every[:, 1] == 1, 0], mean.expand(20), atol=1e-5, rtol=0)
    said = [dataset.columns.words(row)["age"] for row in every]
    assert said.count("missing") == 20
    assert dataset.columns.encoded("age", 40)[1] == 0


def test_days_may_be_long_ago() -> None:
    csv(FRAME.assign(since=["0001-01-01", "9999-12-31"] * 30))
    dataset = Table(path="mine.csv").load()
    assert set(columns(dataset).described()) == {"age", "region", "since", "amount"}
    assert set(dataset.train.x[:, 4].tolist()) == {0, 1}


def test_a_column_that_never_differs_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    csv(FRAME.assign(country="DE")[["country", *FRAME.columns]])
    assert same(Table(path="mine.csv").load(), Table(path=csv(path="other.csv")).load())
    assert "column country is 'DE' in every training sample, and left out" in caplog.text


def test_two_hundred_columns() -> None:
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 200)), columns=[f"f{n}" for n in range(200)])
    assert Table(path=csv(wide.assign(y=[0, 1] * 25))).load().shape == (200,)


def test_a_raw_value_is_encoded_and_said_again() -> None:
    dataset = Table(path=csv()).load()
    for feature, value, said in (
        ("age", 50, "50"), ("age", 1000, "1000"), ("since", "2024-01-20", "2024-01-20"), ("region", "west", "west"),
        ("amount", 3.25, "3.25"),
    ):  # fmt: skip
        record = dataset.train.x[0].clone()
        for column, entry in columns(dataset).encoded(feature, value).items():
            record[column] = entry
        assert columns(dataset).words(record)[feature] == said


@pytest.mark.parametrize(
    ("feature", "value", "said"),
    [
        ("agee", 1, "there is no feature agee; did you mean age?"),
        ("age", "old", "age is a number, not 'old'"),
        ("since", "spring", "since is a date as 2026-12-31, not 'spring'"),
        ("region", "nrth", "region is never 'nrth'; did you mean north?"),
    ],
)
def test_an_impossible_raw_value_says_so(feature: str, value: float | str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"goal.trigger.values: {said}".replace("?", r"\?")):
        columns(Table(path=csv()).load()).encoded(feature, value)


def test_a_path_is_relative_to_the_experiment_the_data_directory_or_the_working_directory(tmp_path: Path) -> None:
    for folder in ("sub", "data"):
        Path(folder).mkdir()
    Path("sub/mine.yaml").write_text("data: {name: table, path: mine.csv}\nmodel: census-mlp\n")
    csv(path="mine.csv")
    csv(FRAME.iloc[:30], "data/mine.csv")
    experiment = load_experiment("sub/mine.yaml")
    assert experiment.data == Table(path="mine.csv")
    assert len(experiment.data.load().train) == 48
    assert len(experiment.data.load(Path("data")).train) == 24
    csv(FRAME.iloc[:20], "sub/mine.csv")
    beside = load_experiment("sub/mine.yaml")
    assert beside.data == Table(path="sub/mine.csv")
    assert len(beside.data.load(Path("data")).train) == 16
    assert Experiment(**beside.describe()) == beside
    assert Table(path=str(tmp_path / "sub" / "mine.csv")) == Table(path="sub/mine.csv")


def test_a_file_beside_an_experiment_elsewhere_is_found_unless_that_would_name_a_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("work", "me/exp"):
        Path(folder).mkdir(parents=True)
    Path("me/exp/mine.yaml").write_text("data: {name: table, path: mine.csv}\nmodel: census-mlp\n")
    csv(path="me/exp/mine.csv")
    monkeypatch.chdir("work")
    found = load_experiment("../me/exp/mine.yaml")
    assert found.data == Table(path="../me/exp/mine.csv")
    assert len(found.data.load().train) == 48
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert load_experiment("../me/exp/mine.yaml").data == Table(path="mine.csv")


def test_no_record_has_an_absolute_path() -> None:
    with pytest.raises(
        ConfigError, match=r"path: '/data/mine.csv' is absolute.*--data-dir /data -o data.path=mine.csv"
    ):
        Table(path="/data/mine.csv")


def test_the_identity_follows_every_option() -> None:
    options = (
        {}, {"label": "age"}, {"test": 0.3}, {"test": "b.csv"}, {"group": "age"}, {"drop": "age"},
        {"types": {"age": "category"}}, {"missing": "drop"}, {"scaling": "standard"}, {"delimiter": ";"},
        {"decimal": ","}, {"encoding": "latin-1"}, {"names": ["a", "b"]},
    )  # fmt: skip
    found = {Experiment(data={"name": "table", "path": "a.csv", **option}).identity() for option in options}
    assert len(found) == len(options)
