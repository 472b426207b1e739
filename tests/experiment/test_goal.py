"""A goal among the options of an experiment: what it is read from, its identity, and what it has to agree with."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fedlens.attacks.attack import Attack
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Data
from fedlens.data.digits import Digits
from fedlens.experiment.experiment import Experiment
from fedlens.goals.backdoor import Backdoor
from fedlens.goals.damage import Damage
from fedlens.goals.distributed import Distributed
from fedlens.goals.feature_values import FeatureValues
from fedlens.goals.goal import Goal
from fedlens.goals.pixel_patch import PixelPatch
from fedlens.goals.target_samples import Target
from fedlens.goals.trigger import Trigger
from fedlens.runs.loading import load_experiment, naming_lines, override
from fedlens.runs.record_values import targeted


class Stripe(Trigger):
    width: int = 1

    def stamp(self, x: Tensor, part: int | None = None) -> Tensor:
        x[..., : self.width] = 1
        return x


class Flip(Goal):
    def wanted(self, y: Tensor) -> Tensor:
        return 1 - y


class Rows(Data):
    def features(self) -> tuple[str, ...]:
        return ("height", "weight")


class Bare(Rows):
    def default_trigger(self) -> None:
        return None


class Own(Attack):
    pass


def of(*assignments: str, **values: Any) -> Experiment:
    return validate(Experiment, override({"data": "digits", **values}, assignments))


def refusal(*assignments: str, **values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        of(*assignments, **values)
    return str(caught.value)


# The goal of the paper


def test_targets_is_the_default_and_leaves_every_identity_as_it_was() -> None:
    assert Experiment().goal is None
    assert Experiment().describe()["goal"] == "targets"
    assert "goal" not in Experiment().relevant()
    assert of().identity() == of("goal=targets").identity() == of("goal={name: targets}").identity()


def test_options_of_the_goal_targets_are_those_of_target() -> None:
    told = of("goal={name: targets, r: 2, source: 3}", "target.draw=1")
    assert told.target == Target(r=2, source=3, draw=1)
    assert told == of("target={r: 2, source: 3, draw: 1}")
    assert of("goal=targets", "goal.r=2", target=Target(source=1)).target == Target(r=2, source=1)
    assert refusal("goal={name: targets, s: 2}").startswith("target.s: unknown option")


def test_what_is_wrong_with_them_is_said_where_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data: digits\nmodel: census-mlp\ngoal:\n  name: targets\n  sorce: 3\n")
    with pytest.raises(
        ConfigError, match=re.escape(f"{path}:5: goal.sorce: unknown option; did you mean goal.source?")
    ):
        load_experiment(path)
    with (
        pytest.raises(ConfigError, match=r"^goal.target: there is no class 99; .* -o goal.target=9$"),
        naming_lines("quickstart", ["goal={name: targets, target: 99}"]),
    ):
        raise ConfigError("target.target: there is no class 99; e.g. -o target.target=9")


# Other goals


@pytest.mark.parametrize(
    ("data", "trigger"),
    [
        ("digits", PixelPatch()),
        ("fashion-mnist", PixelPatch(place=(22, 22))),
        ("adult", FeatureValues(values={"capital-gain": 99999})),
    ],
)
def test_a_backdoor_runs_anywhere_and_says_which_trigger_it_has(data: str, trigger: Trigger) -> None:
    experiment = of("goal=backdoor", data=data)
    assert experiment.goal == Backdoor(trigger=trigger)
    assert experiment.describe()["goal"]["trigger"]["name"] == {"adult": "feature-values"}.get(data, "pixel-patch")
    assert validate(Experiment, experiment.describe()) == experiment
    named = of(data=data, goal={"name": "backdoor", "trigger": experiment.describe()["goal"]["trigger"]})
    assert named.identity() == experiment.identity()


def test_a_goal_changes_the_identity_and_so_do_its_options() -> None:
    backdoors = [
        of(),
        of("goal=damage"),
        of("goal=backdoor"),
        of("goal=backdoor", "goal.trigger.size=2"),
        of("goal=backdoor", "goal.target=3"),
        of("goal=backdoor", "goal.source=3"),
        of("goal=backdoor", "goal.share=0.5"),
        of("goal=backdoor", "goal.trigger=blended"),
    ]
    assert len({experiment.identity() for experiment in backdoors}) == len(backdoors)
    assert len({experiment.twin().identity() for experiment in backdoors}) == 1


def test_options_of_a_trigger_without_a_name_are_those_of_the_default_one() -> None:
    assert of("goal=backdoor", "goal.trigger.place=centre").goal == Backdoor(trigger=PixelPatch(place="centre"))
    assert of("goal=backdoor", "goal.trigger.values.age=99", data="adult").goal == Backdoor(
        trigger=FeatureValues(values={"age": 99})
    )
    gaps = of("goal=backdoor", "goal.trigger=distributed", "goal.trigger.gap=1")
    assert gaps.goal == Backdoor(trigger=Distributed(gap=1))


def test_custom_goals_and_triggers_are_parts() -> None:
    experiment = of(f"goal={{name: backdoor, trigger: {{name: '{__name__}:Stripe', width: 2}}}}")
    assert experiment.goal == Backdoor(trigger=Stripe(width=2))
    assert {kind for kind, _ in experiment.components()} >= {"goal", "trigger"}
    assert of(f"goal={__name__}:Flip").goal == Flip()
    assert Experiment(goal=Flip()).identity() == of(f"goal={__name__}:Flip", data="adult").identity()


def test_data_without_a_default_trigger_need_one() -> None:
    assert of("goal=backdoor", data=f"{__name__}:Rows").goal == Backdoor(trigger=FeatureValues())
    text = refusal("goal=backdoor", data=f"{__name__}:Bare")
    assert text == (
        f"goal.trigger: {__name__}:Bare has none by default; e.g. "
        "-o 'goal.trigger={name: feature-values, columns: {0: 1}}'"
    )
    assert of("goal=backdoor", "goal.trigger={name: feature-values, columns: {0: 1}}", data=f"{__name__}:Rows")


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("goal=backdor", "goal: there is no 'backdor'; did you mean backdoor?"),
        ("goal.trigger=patch", "goal.trigger: there is no 'patch'; did you mean pixel-patch?"),
        ("goal.trigger.siz=2", "goal.trigger.siz: unknown option; did you mean goal.trigger.size?"),
        ("goal.trigger.size=0", "goal.trigger.size: "),
        ("goal.share=1", "goal.share: a number less than or equal to 0.95 is needed, not 1; e.g. -o goal.share="),
    ],
)
def test_what_is_wrong_says_where(assignment: str, said: str) -> None:
    assert said in refusal("goal=backdoor", assignment)


# Agreement


def test_samples_to_be_misclassified_are_chosen_for_the_goal_targets_alone() -> None:
    assert refusal("goal=backdoor", "target.r=2") == (
        "target: chooses samples for the goal targets, but the goal is backdoor, whose options are in goal; "
        "e.g. -o 'target={}', or -o goal=targets"
    )
    assert of("target.r=2", "goal=backdoor", "target={}").target == Target()


def test_plain_damage_is_the_general_form_of_an_untargeted_objective() -> None:
    experiment = of("goal=damage", "attack=explicit-boosting", "attack.boost=3")
    assert experiment.attack == ExplicitBoosting(objective="untargeted", boost=3)
    assert not targeted(experiment)
    assert validate(Experiment, experiment.describe()) == experiment
    assert of("attack={name: explicit-boosting, objective: untargeted}").goal is None
    assert targeted(of("goal=backdoor", "attack=explicit-boosting"))


@pytest.mark.parametrize("attack", ["implicit-boosting", "simultaneous-training", "data-poisoning"])
def test_attacks_that_need_samples_are_refused_for_damage(attack: str) -> None:
    assert refusal("goal=damage", f"attack={attack}") == (
        f"goal: damage needs an attack that can do without samples to be misclassified, and {attack} cannot; "
        "e.g. -o attack=explicit-boosting"
    )
    assert of("goal=backdoor", f"attack={attack}").attack is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"objective": "targeted"}, "attack.objective: targeted is not for the goal damage"),
        ({"hold_off": 0.5}, "attack.hold_off: waits for a target's confidence"),
    ],
)
def test_options_against_damage_are_refused(options: dict[str, Any], said: str) -> None:
    assert refusal("goal=damage", attack={"name": "explicit-boosting", **options}).startswith(said)


def test_an_untargeted_objective_plants_no_backdoor() -> None:
    text = refusal("goal=backdoor", attack={"name": "explicit-boosting", "objective": "untargeted"})
    assert text == (
        "attack.objective: untargeted is for the goal damage, not backdoor; e.g. -o attack.objective=targeted, "
        "or -o goal=damage"
    )


def test_an_attack_that_only_damages_is_refused_with_something_else_to_paste() -> None:
    text = refusal("goal=backdoor", "attack=sign-flipping")
    assert text.startswith("goal: sign-flipping damages the model and can do nothing else; e.g. -o goal=damage")


def test_of_what_attackers_train_on_not_nearly_all_can_be_triggered() -> None:
    assert "less than or equal to 0.95" in refusal(goal={"name": "backdoor", "share": 0.999})


def test_a_custom_attack_may_do_damage() -> None:
    assert Experiment(goal=Damage(), attack=Own()).attack == Own()


# What goals want


def test_a_backdoor_wants_the_target_class_of_all_others_or_of_the_source() -> None:
    data = Digits().load()
    y = torch.tensor([7, 3, 5, 3])
    fitted = Backdoor().fitted(Digits(), data)
    assert fitted.wanted(y).tolist() == [-1, 7, 7, 7]
    assert Backdoor(target="3", source=5).fitted(Digits(), data).wanted(y).tolist() == [-1, -1, 3, -1]
    with pytest.raises(ConfigError, match=r"goal\.target: there is no class 'ten'; .*-o goal\.target=1"):
        Backdoor(target="ten").fitted(Digits(), data)
    with pytest.raises(ConfigError, match=r"goal\.source: is the target class, 7 \(7\); e\.g\. -o goal\.source=8"):
        Backdoor(source=7).fitted(Digits(), data)
