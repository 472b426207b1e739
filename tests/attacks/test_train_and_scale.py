import pytest
import torch
from attacker import deep, poisoned
from planting import after, is_planted, rate

from fedlens.attacks.model_replacement import ModelReplacement
from fedlens.attacks.train_and_scale import TrainAndScale
from fedlens.core.errors import ConfigError
from fedlens.training.local import LocalTraining


@pytest.mark.parametrize("bound", [1e-30, 0.5, 3.0])
def test_what_is_sent_is_as_long_as_the_bound_in_the_direction_that_was_trained(bound: float) -> None:
    attack, plain = TrainAndScale(bound=bound), ModelReplacement(boost=1)
    view = deep()
    update, trained = attack.craft(poisoned(attack, view)), plain.craft(poisoned(plain, deep()))
    assert float(update.norm()) == pytest.approx(bound)
    torch.testing.assert_close(update / bound, trained / trained.norm(), rtol=0, atol=1e-12)
    assert view.log["boost"] == pytest.approx(bound / float(trained.norm()))


def test_of_nothing_nothing_is_made() -> None:
    """At a rate so low that no weight moves."""
    view = deep(local=LocalTraining(optimizer="sgd", learning_rate=1e-30, epochs=1))
    attack = TrainAndScale(bound=2)
    assert not attack.craft(poisoned(attack, view)).any()
    assert view.log["boost"] == 1


@pytest.mark.parametrize("options", [{}, {"bound": 0}, {"bound": 1, "boost": 2}, {"bound": 1, "estimate": "post"}])
def test_without_a_bound_or_with_what_would_break_it_it_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=list(options)[-1] if options else "bound"):
        TrainAndScale(**options)  # type: ignore[arg-type]


def test_a_wide_bound_plants_the_trigger_under_the_mean_and_a_narrow_one_does_not() -> None:
    assert is_planted(after(TrainAndScale(bound=25)))
    assert rate(after(TrainAndScale(bound=0.5))) < 0.2


def test_it_passes_a_server_that_clips_at_its_bound_unclipped() -> None:
    record = after(TrainAndScale(bound=1), aggregation=[{"name": "clip", "max_norm": 1.001}, "mean"], record=["norms"])
    [attacker] = record.attackers
    assert attacker.measure("norm") == pytest.approx(1, rel=1e-5)
    assert not attacker.rejected


def test_its_boost_is_no_average_undone_so_any_rule_will_do() -> None:
    record = after(TrainAndScale(bound=1), aggregation="median", record=["norms"])
    [attacker] = record.attackers
    assert attacker.measure("norm") == pytest.approx(1, rel=1e-5)
