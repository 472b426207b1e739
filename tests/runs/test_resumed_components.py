"""Every component that keeps something: a run that is interrupted and resumed leaves the same bits as another."""

import inspect
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small import small
from torch import nn

from fedlens.attacks.attack import Attack
from fedlens.core.layout import Layout
from fedlens.core.registry import BUILT_IN, Description, resolve
from fedlens.core.suggest import example
from fedlens.defences.chain import Chain
from fedlens.defences.links import build_link
from fedlens.defences.stage import State
from fedlens.experiment.setting import prepare
from fedlens.models.model import Model
from fedlens.runs.state import FederationState
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate
from fedlens.training.local import LocalTraining

PATCH = {"target": {}, "goal": {"name": "backdoor", "trigger": "pixel-patch"}}
TRAINED = {"target": {}, "goal": {"name": "backdoor", "trigger": {"name": "trained-patch", "size": 2}}}
DAMAGE = {"target": {}, "goal": "damage", "attackers": {"count": 2}}

CASES: Mapping[str, dict[str, Any]] = {
    "centred-clipping": {"aggregation": {"name": "centred-clipping", "tau": 0.5}},
    "foolsgold": {"aggregation": "foolsgold", "fraction": 0.75},
    "fldetector": {"aggregation": [{"name": "fldetector", "window": 2, "start": 3}, "mean"]},
    "flanders": {"aggregation": [{"name": "flanders", "f": 1, "window": 2}, "mean"]},
    "fedavgm": {"aggregation": ["mean", "fedavgm"]},
    "fedadam": {"aggregation": ["mean", "fedadam"]},
    "explicit-boosting": {"attack": {"name": "explicit-boosting", "step_cap": 5, "estimate": "pre"}},
    "alternating-minimisation": {
        "attack": {"name": "alternating-minimisation", "epochs": 1, "ls": 1, "evaluate_at": "global"}
    },
    "free-rider": {"attack": {"name": "free-rider", "form": "delta"}, **DAMAGE},
    "mimic": {"attack": {"name": "mimic", "warm_up": 3}, **DAMAGE},
    "neurotoxin": {"attack": "neurotoxin", **PATCH},
    "anticipate": {
        "attack": {"name": "anticipate", "bootstraps": 2, "scenarios": 1, "iterations": 1, "warm_starts": False}
    },
    "a3fl": {"attack": {"name": "a3fl", "steps": 2, "unlearn_every": 1, "unlearn_epochs": 1}, **TRAINED},
}


class Linear(Model):
    """A layer, so that rounds are fast."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), classes))


def kept(state: FederationState) -> set[object]:
    """What the next round is handed besides the weights."""
    of_stages = [one for stage in state.stages.values() for one in (*stage.tensors, *stage.clients)]
    return {*of_stages, *state.team, *state.history}


def reread(state: FederationState, file: Path) -> FederationState:
    """Write a checkpoint and read it; what stages keep by client is in files of its own (test_client_rows.py)."""
    alone = {name: State(stage.tensors) for name, stage in state.stages.items()}
    file.write_bytes(replace(state, stages=alone).to_bytes())
    read = FederationState.load(str(file))
    clients = {name: State(read.stages[name].tensors, stage.clients) for name, stage in state.stages.items()}
    return replace(read, stages=clients)


@pytest.mark.parametrize("name", CASES)
def test_interrupted_and_resumed_it_leaves_the_same_bits(name: str, tmp_path: Path) -> None:
    fast = {"model": Linear(), "local": LocalTraining(steps=1), "rounds": 4, "attack": None}
    setting = prepare(small(**{**fast, **CASES[name]})).with_target(None)
    with Serial() as engine:
        whole = list(federate(setting, engine))
        assert kept(whole[1].state), "there is something to lose"
        rest = list(federate(setting, engine, reread(whole[1].state, tmp_path / "checkpoint.safetensors")))
    assert [result.record for result in rest] == [result.record for result in whole[2:]]
    assert torch.equal(rest[-1].state.weights, whole[-1].state.weights)
    assert kept(rest[-1].state) == kept(whole[-1].state)


def test_every_component_that_keeps_something_is_among_them() -> None:
    assert {*keeping_stages(), *keeping_attacks()} <= set(CASES)


def keeping_stages() -> Iterator[str]:
    layout = Layout.of(nn.Linear(3, 2))
    for name in (*BUILT_IN["aggregation"], *BUILT_IN["stage"]):
        kind = "stage" if name in BUILT_IN["stage"] else "aggregation"
        fields = resolve(kind, name).model_fields
        required = {option: example(field) for option, field in fields.items() if field.is_required()}
        whole = Chain.of(build_link({"name": name, **required}, Description())).whole
        if any(stage.by_client or stage.init(layout).tensors for stage in whole):
            yield name


def keeping_attacks() -> Iterator[str]:
    for name in BUILT_IN["attack"]:
        attack = resolve("attack", name)
        assert issubclass(attack, Attack)
        of_the_team = "team.state" in inspect.getsource(sys.modules[attack.__module__])
        if attack.remembers or "memory" in vars(attack) or of_the_team:
            yield name
