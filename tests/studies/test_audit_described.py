"""What an audit is about: an experiment with another goal or team, whatever its own attack is."""

from pathlib import Path

import pytest

from fedlens.core.errors import ConfigError
from fedlens.experiment.experiment import Experiment
from fedlens.runs.loading import load_experiment
from fedlens.studies.audit.described import described


def test_an_experiment_without_another_goal_or_team_is_left_as_it_is() -> None:
    experiment = Experiment(data="digits", attack="honest", attackers={"clients": [1, 3]})
    assert described(experiment) is experiment
    targets = described(experiment, goal="targets")
    assert (targets.goal, targets.team) == (None, experiment.team)


def test_an_own_goal_of_that_name_keeps_its_options() -> None:
    experiment = Experiment(data="digits", goal={"name": "backdoor", "target": "7"})
    assert described(experiment, goal="backdoor", attackers=2).goal == experiment.goal
    other = described(experiment, goal="targets")
    assert other.goal is None
    given = described(Experiment(data="digits"), goal={"name": "backdoor", "target": "7"})
    assert given.goal == experiment.goal


def test_another_goal_leaves_the_team_that_an_attack_names() -> None:
    experiment = Experiment(data="digits", attack={"name": "explicit-boosting", "client": 3})
    assert described(experiment, goal="damage").team == (3,)


def test_an_attack_that_does_not_suit_is_in_nobody_s_way(tmp_path: Path) -> None:
    """The factor 1/α belongs to a rule that averages; the quickstart's attack has it."""
    with pytest.raises(ConfigError):
        load_experiment("quickstart", ["aggregation=median"])
    assert str(described("quickstart", ["aggregation=median"]).server) == "median"


def test_target_samples_are_in_no_other_goals_way(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("data: digits\ntarget: {draw: 1}\n")
    assert described(file, goal="targets").target.draw == 1
    assert described(file, goal="damage").target.draw == 0
