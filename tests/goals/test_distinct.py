"""A trigger that replaces the whole input, or nearly all of it: then a rate over test samples is over few inputs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small
from torch import Tensor

import fedlens
from fedlens import Goal, Trigger
from fedlens.analysis.flags import flags
from fedlens.data.dataset import Samples
from fedlens.experiment.distinct import few_distinct
from fedlens.goals.target_samples import Target


class Whole(Trigger):
    """Every feature but the first `left` at the same value."""

    left: int = 0

    def stamp(self, x: Tensor, part: int | None = None) -> Tensor:
        flat = x.flatten(1)
        flat[:, self.left :] = 1
        return flat.view(x.shape)


class ToSeven(Goal):
    left: int = 0

    def inputs(self, x: Tensor, part: int | None = None) -> Tensor:
        return Whole(left=self.left).stamp(x, part)

    def wanted(self, y: Tensor) -> Tensor:
        return torch.where(y == 7, -1, 7)


def test_by_hand() -> None:
    """Of forty inputs of classes 0 and 7, those of class 0 count: twenty distinct ones of two features."""
    x = torch.stack([torch.arange(40.0), torch.arange(40.0) % 4], dim=1)
    y = torch.tensor([0, 7]).repeat(20)
    assert few_distinct(ToSeven(), Samples(x, y), 10) == 1
    assert few_distinct(ToSeven(left=1), Samples(x, y), 10) is None
    first_alike = torch.stack([torch.arange(40.0) % 4, torch.arange(40.0)], dim=1)
    assert few_distinct(ToSeven(left=1), Samples(first_alike, y), 10) == 2
    assert few_distinct(ToSeven(left=1), Samples(first_alike[:38], y[:38]), 10) is None  # 2 of 19 are more than a tenth
    as_few_before = torch.stack([torch.arange(40.0) % 4, torch.ones(40)], dim=1)
    assert few_distinct(ToSeven(left=1), Samples(as_few_before, y), 10) is None


def run(path: Path, trigger: Any) -> fedlens.Run:
    attack: dict[str, Any] = {"name": "data-poisoning"}
    goal = {"name": "backdoor", "target": "7", **({"trigger": trigger} if trigger else {})}
    experiment = small(target=Target(), rounds=2, control=True, attack=attack, goal=goal)
    return fedlens.run(experiment, path, engine="serial")


@pytest.mark.parametrize("trigger", [{"name": "pixel-patch", "size": 8}, {"name": f"{__name__}:Whole"}])
def test_a_trigger_that_replaces_the_whole_input_is_flagged(trigger: Any, tmp_path: Path) -> None:
    found = run(tmp_path / "run", trigger)
    words = "the trigger replaces the whole input: with it, all 329 test samples are one and the same"
    assert [flag for flag in found.flags if flag.startswith(words)]
    assert fedlens.load_run(found.path).flags == found.flags
    last = found.records[-1]
    assert last.backdoor is not None
    assert (last.backdoor.distinct, last.backdoor.hits in {0, 329}) == (1, True)
    some = replace(last, backdoor=replace(last.backdoor, distinct=12))
    nearly = "the trigger replaces nearly the whole input: with it, 329 test samples are but 12 distinct ones"
    assert [flag for flag in flags(found.experiment, [some]) if flag.startswith(nearly)]


def test_a_patch_is_not_flagged_and_leaves_records_as_they_were(tmp_path: Path) -> None:
    found = run(tmp_path / "run", None)
    assert not [flag for flag in found.flags if "replaces" in flag]
    assert "distinct" not in (found.path / "rounds.jsonl").read_text()
