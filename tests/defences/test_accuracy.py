import pytest
import torch

from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.defences.accuracy_check import AccuracyCheck, shortfall
from fedlens.defences.detector import Inspection, Validation, Verdict


def seen(own: list[float], others: list[float]) -> Inspection:
    count = len(own)
    validation = Validation(torch.tensor(own, dtype=torch.float64), torch.tensor(others, dtype=torch.float64))
    alpha = torch.full((count,), 1 / count, dtype=torch.float64)
    return Inspection(1, torch.zeros(2), torch.zeros(count, 2), alpha, Layout(()), validation)


def inspect(own: list[float], others: list[float], threshold: float = 0.1) -> Verdict:
    return AccuracyCheck(threshold=threshold).inspect(seen(own, others))


def test_the_score_by_hand() -> None:
    # 0.75 - 0.5 = 0.25;  0.5 - 0.625 = -0.125
    verdict = inspect([0.5, 0.625], [0.75, 0.5])
    assert verdict.scores.tolist() == [0.25, -0.125]
    assert verdict.flagged.tolist() == [True, False]
    assert verdict.details == {"own": [0.5, 0.625], "others": [0.75, 0.5]}


def test_only_more_than_the_threshold_is_flagged() -> None:
    assert inspect([0.5, 0.5], [0.75, 0.875], threshold=0.25).flagged.tolist() == [False, True]
    assert inspect([0.0705, 0.0705], [0.1705, 0.171], threshold=0.1).flagged.tolist() == [False, True]
    assert inspect([0, 0], [1e-12, 2e-12], threshold=0).flagged.tolist() == [False, True]


def test_a_better_model_is_never_flagged() -> None:
    assert not inspect([0.9, 0.4], [0.1, 0.4], threshold=0).flagged.any()


def test_a_client_that_is_alone_is_scored_but_not_flagged() -> None:
    verdict = inspect([0.25], [0.75])
    assert verdict.scores.tolist() == [0.5]
    assert verdict.flagged.tolist() == [False]


def test_scores_keep_the_precision_of_the_accuracies() -> None:
    measured = seen([0.1], [0.3]).validation
    assert measured is not None
    assert shortfall(measured).tolist() == [0.3 - 0.1]


def test_it_asks_for_validation_and_insists_on_it() -> None:
    assert AccuracyCheck.validates
    blind = Inspection(1, torch.zeros(2), torch.zeros(1, 2), torch.ones(1), Layout(()))
    with pytest.raises(AssertionError, match="validation set"):
        AccuracyCheck().inspect(blind)


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_thresholds_are_fractions(threshold: float) -> None:
    with pytest.raises(ConfigError, match="threshold"):
        validate(AccuracyCheck, {"threshold": threshold})
