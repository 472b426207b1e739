"""Models whose answers are no numbers: that is no prediction, no failure of an attack, and no control."""

import json
from pathlib import Path

import pytest
import torch
from helpers.calling import called
from small import small
from torch import Tensor, nn

import fedlens
from fedlens.analysis.collect import collect
from fedlens.core.errors import ConfigError
from fedlens.models.model import Model
from fedlens.report.html.final import look_at
from fedlens.report.html.page import write_report
from fedlens.simulation.callback import Callback


class Answer(nn.Module):
    """Spoils logits in evaluation: all of them, one class's, or those of samples with a dark pixel."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.layer = how, nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer(x.flatten(1))
        if self.training:
            return logits
        match self.how:
            case "all":
                return logits * torch.nan
            case "infinite":
                return logits.masked_fill(torch.arange(10) == 3, torch.inf)
            case "some":
                return torch.where(x.flatten(1)[:, 2:3] > 0.2, logits.log(), logits)
        return logits


class Quiet(Model):
    """A model that does not always answer."""

    how: str

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return Answer(self.how)


class Ears(Callback):
    """Hears what is remarked."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def controlled(how: str, **changes: object) -> fedlens.Experiment:
    local = {"epochs": 2, "batch_size": 20, "learning_rate": 5e-3}
    return small(**({"model": Quiet(how=how), "control": True, "local": local, "target": {}} | changes))


@pytest.mark.parametrize("how", ["all", "infinite", "some"])
def test_answers_that_are_no_numbers_are_flagged_and_the_twin_is_no_control(tmp_path: Path, how: str) -> None:
    ears = Ears()
    run = fedlens.run(controlled(how), tmp_path / "run", observer=ears)
    assert run.summary is not None
    assert run.flags[0].startswith(
        "answers that are no numbers (NaN): the global model gives such to test samples in 3 "
    )
    assert run.flags == run.summary.flags
    assert any(flag.startswith("no control") for flag in run.flags)
    assert all(record.twin is None for record in run.records)
    assert run.summary.twin is None
    assert any("benign twin: no control, for its answers are no numbers" in remark for remark in ears.remarks)


@pytest.mark.parametrize("how", ["all", "infinite"])
def test_no_class_is_predicted_and_the_attack_cannot_be_judged(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fedlens.run(controlled(how, attack="explicit-boosting", rounds=2), tmp_path / "run")
    for record in run.records:
        assert record.target.predicted == [None]
        assert (record.target.met, record.target.success) == (0, False)
    assert run.rounds[["confidence", "true_confidence", "success"]].isna().all(axis=None)
    code, out, err = called(capsys, "show", tmp_path / "run")
    assert code == 0, err
    assert "Cannot be judged: after round 2, the global model's answers are no numbers (NaN)." in " ".join(out.split())
    assert "Attack failed" not in out
    assert out.split("predicted class")[1].split()[0] == "none"
    assert json.loads((tmp_path / "run/summary.json").read_text())["target"]["predicted"] == [None]


def test_an_untargeted_attack_cannot_be_judged_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attack = {"name": "explicit-boosting", "objective": "untargeted", "epochs": 1, "threshold": None}
    fedlens.run(controlled("some", attack=attack, rounds=1), tmp_path / "run")
    _, out, _ = called(capsys, "show", tmp_path / "run")
    assert "Cannot be judged" in out


def test_a_run_without_attack_is_flagged_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = fedlens.run(controlled("some", attack=None), tmp_path / "run")
    assert [flag.partition(":")[0] for flag in run.flags] == ["answers that are no numbers (NaN)"]
    _, out, _ = called(capsys, "show", tmp_path / "run")
    assert "Red flag: answers that are no numbers" in " ".join(out.split())


def test_a_target_that_shall_be_resistant_is_not_drawn_where_nothing_is_answered(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be judged: without attack, the model gets 0 of "):
        fedlens.run(controlled("all", target={"select": "resistant"}), tmp_path / "run")


def test_tables_and_the_report_know_no_class_either(tmp_path: Path) -> None:
    run = fedlens.run(controlled("some", rounds=2), tmp_path / "run")
    final = look_at(run)
    assert final.confusion is not None
    assert any("answers to" in why and "are no numbers" in why for why in final.why)
    fedlens.run(controlled("all", rounds=2), tmp_path / "other")
    assert "confidence" not in collect([tmp_path / "other"]).table.dropna(axis=1, how="all")
    assert write_report([tmp_path / "other"], tmp_path / "report.html")
