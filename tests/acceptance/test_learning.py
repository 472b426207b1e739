"""What the federation learns on the full data, and what explicit boosting does to it. Minutes, not seconds."""

from collections.abc import Mapping
from pathlib import Path

import pytest

import fedlens
from fedlens import Experiment

pytestmark = pytest.mark.acceptance

CENSUS = {"data": "adult", "model": "census-mlp", "local": {"epochs": 5, "batch_size": 50}}
FASHION_SMALL = {"data": "fashion-mnist", "model": "small", "local": {"epochs": 1, "batch_size": 100}}
FASHION_TINY = {"data": "fashion-mnist", "model": "tiny", "local": {"epochs": 5, "batch_size": 100}}


@pytest.mark.parametrize(
    ("setting", "rounds", "accuracy"),
    [(CENSUS, 10, 0.843), (FASHION_SMALL, 10, 0.86), (FASHION_TINY, 8, 0.875)],
    ids=["census", "fashion-small", "fashion-tiny"],
)
def test_honest_clients_learn(
    setting: Mapping[str, object], rounds: int, accuracy: float, fashion_directory: Path
) -> None:
    results = fedlens.simulate(Experiment.model_validate({**setting, "rounds": rounds}), data_dir=fashion_directory)
    assert max(result.record.quality.accuracy for result in results) >= accuracy


@pytest.mark.parametrize(
    ("setting", "majority"),
    [(CENSUS, 11360 / 15060), (FASHION_TINY, 0.1), (FASHION_SMALL, 0.1)],
    ids=["census", "fashion-tiny", "fashion-small"],
)
def test_explicit_boosting_succeeds_at_once_and_ruins_the_malicious_model(
    setting: Mapping[str, object], majority: float, fashion_directory: Path
) -> None:
    values = {**setting, "rounds": 1, "attack": "explicit-boosting", "target": {"select": "random"}, "control": False}
    (result,) = fedlens.simulate(Experiment.model_validate(values), data_dir=fashion_directory)
    target, malicious = result.record.target, result.record.malicious
    assert target is not None
    assert malicious is not None
    assert target.success
    assert target.confidence[0] > 0.9
    assert malicious.model.accuracy <= majority + 0.02
