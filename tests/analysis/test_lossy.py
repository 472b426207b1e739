"""A server that loses accuracy without any attack says so."""

import pytest
from small import small

from fedlens.analysis.flags import LOSSY, flags
from fedlens.experiment.experiment import Experiment
from fedlens.runs.round_result import RoundResult
from fedlens.simulation import simulate


def last(**options: object) -> tuple[Experiment, list[RoundResult]]:
    experiment = small(attack=None, rounds=2, **options)
    return experiment, list(simulate(experiment, engine="serial"))


def test_noise_that_drowns_the_model_is_flagged() -> None:
    """Its last updates are no better; but a mean of the first ones, from the same start, was."""
    experiment, results = last(aggregation={"name": "crfl", "rho": 15, "sigma": 1})
    first, final = (result.record for result in results)
    assert first.mean_accuracy is not None
    assert final.quality.accuracy is not None
    assert first.mean_accuracy - final.quality.accuracy > 0.03
    [flag] = [flag for flag in flags(experiment, [first, final]) if flag.startswith(LOSSY)]
    assert flag.endswith(f"a plain mean of the first updates gives {100 * first.mean_accuracy:.1f} %")


def test_steps_that_are_too_short_are_flagged() -> None:
    experiment, results = last(aggregation=["mean", {"name": "fedavgm", "learning_rate": 0.01, "momentum": 0}])
    [flag] = flags(experiment, [result.record for result in results])
    assert flag.startswith(LOSSY)


def test_in_between_nothing_is_compared() -> None:
    experiment = small(attack=None, rounds=3, aggregation="median")
    found = [result.record.mean_accuracy is None for result in simulate(experiment, engine="serial")]
    assert found == [False, True, False]


def test_it_is_the_accuracy_of_the_model_that_the_mean_makes() -> None:
    """A chain that only takes the mean, but does not say so, makes that very model."""
    experiment, results = last(aggregation=["equal-weights", "mean"])
    record = results[-1].record
    assert record.mean_accuracy == record.quality.accuracy
    assert not any(flag.startswith(LOSSY) for flag in flags(experiment, [record]))


@pytest.mark.parametrize("options", [{}, {"checks": ["distances"]}])
def test_a_plain_mean_has_nothing_to_be_compared_with(options: dict[str, object]) -> None:
    _, results = last(**options)
    assert results[-1].record.mean_accuracy is None
    assert "mean_accuracy" not in results[-1].record.plain()


def test_what_rejects_is_compared() -> None:
    _, results = last(checks=[{"name": "distances", "action": "reject"}])
    assert results[-1].record.mean_accuracy is not None
