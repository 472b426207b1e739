"""What a refusal says to paste is right: with it in place the experiment can be run."""

import re
import shlex

import pytest
from small import BASE

from fedlens.core.config import validate
from fedlens.core.errors import FedlensError
from fedlens.experiment.experiment import Experiment
from fedlens.runs.loading import experiment_of, override
from fedlens.simulation.runtime import Runtime
from fedlens.simulation.simulation import _prepare

PASTED = re.compile(r"-o ('[^']+'|[^\s;]+[^\s;,.])")
VALUES = BASE.describe()


def tried(options: list[str]) -> str:
    """What is said against the small experiment with these options; nothing if it can be run."""
    try:
        _prepare(experiment_of(override(VALUES, options)), Runtime())
    except FedlensError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "options",
    [
        ["aggregation=trimmed-mean"],
        ["aggregation=krum", "clients=6"],
        ["aggregation=multi-krum", "clients=9", "attack.boost=3"],
        ["aggregation=median"],
        ["aggregation={name: bulyan, f: 1}", "attack.boost=2"],
        ["aggregation={name: norm-clipping, max_norm: 0}"],
        ["fraction=0.05"],
        ["clients=0"],
        ["clients=2000"],
        ["rounds=many"],
        ["local.steps=3", "local.epochs=2"],
        ["local.optimizer=sdg"],
        ["local=7"],
        ["attack.objective=untargted"],
        ["attack.boost=-1"],
        ["attack.client=4"],
        ["attack.until=2", "attack.delay=5"],
        ["attack.step_cap=2"],
        ["attack={name: alternating-minimisation, objective: untargeted, evaluate_at: global}"],
        ["attack.objective=untargeted", "attack.hold_off=0.5"],
        ["checks=[distances, distances]"],
        ["checks={name: distances, action: rejct}"],
        ["checks={name: statistics, bins: 0}"],
        ["partition={name: dirichlet, alpha: 0}"],
        ["partition={name: iid, samples: 9999}"],
        ["model=paper-cnn"],
        ["target.source=11"],
        ["target.target=nine"],
        ["target.index=360", "target.select=null", "target.target=3"],
        ["target.index=[3, 3]", "target.select=null"],
        ["target.index=5"],
        ["target.source=7"],
        ["target.r=400", "target.source=null"],
        ["target.draw=900"],
        ["target.select=resistant"],
        ["stop_at=3"],
        ["name=a b"],
        ["attackers.clients=[]"],
        ["attackers.clients=[-1]"],
        ["attackers={}"],
        ["attackers={count: 2, share: 0.5}"],
        ["attackers.count=0"],
        ["attack=adaptive-ipm", "attackers.count=2", "attackers.rule={f: 0}"],
        ["attack=adaptive-ipm", "attackers.count=2", "attackers.rule=[median, clip]"],
        ["attack={name: label-flipping, form: class}"],
        ["attack={name: label-flipping, form: class, source: 2, target: 2}"],
        ["attack={name: label-flipping, source: 2, target: 3}"],
        ["attack={name: a-little-is-enough, z: 0}"],
        ["attack={name: min-max, sees: own}"],
        ["aggregation=none", "attack.boost=2"],
        ["aggregation=[clip, bucketing, median]", "attack.boost=2"],
        ["aggregation=[bucketing, median, mean]", "attack.boost=2"],
        ["aggregation=[fedadam, median, fedavgm, mean, distances]", "attack.boost=2"],
        ["aggregation=[bucketing, bucketing, foolsgold]", "attack.boost=2"],
        ["aggregation=[distances, distances]"],
        ["aggregation=[accuracy, median]", "attack.boost=2"],
        ["aggregation=[{name: clip, max_norm: x}]"],
        ["aggregation=[{name: distances, action: rejct}, {name: clip, max_norm: -1}]"],
        ["aggregation=[{max_norm: 1}, fedavgm]", "attack.boost=2"],
        ["checks=[none, distances]"],
        ["target={}", "goal=backdoor", "goal.trigger=none"],
        ["target={}", "goal=backdoor", "goal.trigger.size=[2, 3, 4]"],
        ["target={}", "goal=backdoor", "goal.trigger.size=[0, 1]"],
        ["target={}", "goal=backdoor", "goal.trigger.place=[1]"],
        ["target={}", "goal=backdoor", "goal.trigger=distributed", "goal.trigger.place=[7, 7]"],
        ["target={}", "goal=backdoor", "goal.trigger=feature-values"],
        ["absent=[1]"],
        ["attack=none", "absent=[1, 1]"],
        ["validation=0"],
    ],
    ids=" ".join,
)
def test_what_a_refusal_says_to_paste_is_accepted(options: list[str]) -> None:
    told = tried(options)
    remedies = [word for found in PASTED.findall(told) for word in shlex.split(found)]
    assert remedies, told
    assert not tried([*options, *remedies]), told


def test_the_small_experiment_is_accepted() -> None:
    assert not tried([])
    assert validate(Experiment, VALUES) == BASE
