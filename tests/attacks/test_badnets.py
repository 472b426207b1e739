import pytest
import torch
from attacker import deep, poisoned
from planting import PATCH, after, is_planted, rate

from fedlens.attacks.badnets import BadNets
from fedlens.attacks.data_poisoning import DataPoisoning
from fedlens.attacks.model_replacement import ModelReplacement
from fedlens.core.errors import ConfigError
from fedlens.experiment.experiment import Experiment

MANY = {"attackers": {"count": 3}}
"""Of five."""


def test_it_is_data_poisoning_without_boosting_and_with_one_copy_of_each_sample() -> None:
    attack, plain = BadNets(), DataPoisoning(boost=1, data_rep=1)
    sent, expected = attack.craft(poisoned(attack, deep())), plain.craft(poisoned(plain, deep()))
    assert torch.equal(sent, expected)
    assert attack.poisons  # so that it trains in a stack with honest clients


@pytest.mark.parametrize("option", ["boost", "data_rep"])
def test_what_it_fixes_is_no_option(option: str) -> None:
    with pytest.raises(ConfigError, match=option):
        Experiment(data="digits", goal="backdoor", attack={"name": "badnets", option: 3})  # type: ignore[arg-type]


@pytest.mark.parametrize("goal", [{}, {"goal": "damage"}])
@pytest.mark.parametrize("name", ["badnets", "dba"])
def test_without_a_trigger_it_is_refused(goal: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigError, match="goal"):
        Experiment(data="digits", attack=name, **goal)  # type: ignore[arg-type]


def test_the_remedy_for_want_of_a_trigger_is_one() -> None:
    with pytest.raises(ConfigError, match=r"badnets plants a trigger, and there is none; e\.g\. -o goal=backdoor"):
        Experiment(data="digits", attack="badnets")
    assert Experiment(data="digits", attack="badnets", goal="backdoor").attack == BadNets()


def test_three_of_five_plant_the_trigger_under_the_mean() -> None:
    assert is_planted(after(BadNets(), 2, **MANY), 2)


def test_the_average_takes_it_from_one_alone_but_not_once_it_is_boosted() -> None:
    weak = {"goal": {**PATCH, "share": 0.05}}
    assert rate(after(BadNets(), **weak)) < 0.2
    assert rate(after(ModelReplacement(), **weak)) > 0.5
