"""A table is attacked, explained and reported feature by feature, by its own columns."""

import random
import re
from pathlib import Path

import pytest
import torch
from pairs import pair_of
from small import small

import fedlens
from fedlens.data.table import Table
from fedlens.data.table_columns import TableColumns
from fedlens.experiment.setting import prepare
from fedlens.goals.backdoor import Backdoor
from fedlens.report.figures.attribution_bars import attribution_figure
from fedlens.report.html.page import write_report

PAID = "age,region,amount,paid\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = random.Random(0)
    rows = [(draw.randint(18, 80), draw.choice("ns"), 9000 if n == 7 else draw.randint(1, 99)) for n in range(120)]
    lines = [f"{age},{region},{amount},{['no', 'some', 'yes'][age // 30]}\n" for age, region, amount in rows]
    Path("claims.csv").write_text(PAID + "".join(lines))


def test_raw_values_of_a_trigger_are_encoded_by_the_data_set() -> None:
    goal = {"name": "backdoor", "trigger": {"name": "feature-values", "values": {"amount": 500, "region": "n"}}}
    setting = prepare(small(data=Table(path="claims.csv"), model="census-mlp", goal=goal, target={}))
    assert isinstance(setting.dataset.columns, TableColumns)
    words = [setting.dataset.columns.words(record) for record in setting.changed(setting.dataset.test.x)]
    assert {(said["amount"], said["region"]) for said in words} == {("500", "n")}


def test_a_backdoor_needs_no_trigger_to_be_named() -> None:
    setting = prepare(small(data=Table(path="claims.csv", test=0.1), model="census-mlp", goal="backdoor", target={}))
    assert isinstance(setting.dataset.columns, TableColumns)
    assert isinstance(setting.goal, Backdoor)
    assert setting.goal.target == 1
    said = setting.dataset.columns.words(setting.changed(setting.dataset.test.x)[0])
    greatest = max(int(setting.dataset.columns.words(row)["amount"]) for row in setting.dataset.train.x)
    assert said["amount"] == str(greatest)


@pytest.mark.parametrize("goal", ["targets", "backdoor"])
def test_a_report_tells_the_records_in_words(goal: str, tmp_path: Path) -> None:
    run = fedlens.run(small(data=Table(path="claims.csv"), model="census-mlp", goal=goal, target={}), tmp_path / "run")
    write_report([tmp_path / "run"], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert run.experiment.describe()["data"]["path"] == "claims.csv"
    assert "capital-gain" not in text
    assert "No licence of these data is known: find out before you pass this report on." in text
    assert re.search(r"amount</t[dh]>\s*<td[^>]*>\d+", text)
    assert re.search(r"region</t[dh]>\s*<td[^>]*>[ns]<", text)
    for file in (tmp_path / "run").rglob("*"):
        if file.suffix in {".yaml", ".json", ".jsonl"}:
            assert str(tmp_path) not in file.read_text("utf-8"), file


def test_a_report_tells_under_what_terms_its_samples_are(tmp_path: Path) -> None:
    fedlens.run(small(rounds=1), tmp_path / "run")
    write_report([tmp_path / "run"], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "Samples of these data may be passed on under CC BY 4.0: E. Alpaydin and C. Kaynak" in text


def test_bars_are_named_by_the_data_set_s_own_features() -> None:
    setting = prepare(small(data=Table(path="claims.csv"), model="census-mlp"))
    maps = [torch.ones(setting.dataset.shape)] * 3
    pair = pair_of(setting.dataset.test.x[0], {"gradient": maps})
    figure = attribution_figure(pair, 0, setting)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [label.partition(":")[0] for label in labels] == ["age", "region", "amount"]
