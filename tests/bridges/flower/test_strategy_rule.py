"""Strategies of Flower as rules of the simulator: theirs to the last bit, and with what they keep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.serverapp import strategy as flower
from messages import aggregated, reply
from torch import Tensor, nn

import fedlens
from fedlens import Address, Layout
from fedlens.analysis.flower_strategies import AGREEING
from fedlens.bridges import FlowerStrategy
from fedlens.core.errors import ConfigError
from fedlens.defences import Chain, Server, Updates, server_step
from fedlens.defences.stage import State
from fedlens.runs import RoundRecord

LAYOUT = Layout.of(nn.Linear(50, 4))
DRAWS = np.random.default_rng(0)
START = torch.from_numpy(DRAWS.normal(size=204)).float()


def rows(count: int, seed: int = 1) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 0.3, (count, 204))).float()


def stepped(
    chain: Any, updates: Tensor, weights: Sequence[float] | None = None, states: Any = None, round_: int = 1
) -> Any:
    stages = Chain.of(chain).whole
    states = states or [stage.init(LAYOUT) for stage in stages]
    alpha = torch.tensor(weights or [1 / len(updates)] * len(updates)).double()
    server = Server(round_, START, LAYOUT, tuple(range(len(updates))), Address.root(0).at("rule", round_))
    return server_step(
        stages,
        Updates.received(updates, alpha / alpha.sum()),
        server,
        states or [stage.init(LAYOUT) for stage in stages],
    )


def flowers(name: str, **options: Any) -> FlowerStrategy:
    return FlowerStrategy(make=name if ":" in name else f"flwr.serverapp.strategy:{name}", options=options)


def former(name: str, **options: Any) -> FlowerStrategy:
    return FlowerStrategy(make=f"flwr.server.strategy:{name}", options=options)


SAME = [(FlowerStrategy(make=one.strategy, options=dict(one.options)), dict(one.rule)) for one in AGREEING]


@pytest.mark.parametrize(("theirs", "ours"), SAME, ids=[f"{one.make} {n}" for n, (one, _) in enumerate(SAME)])
def test_what_is_called_alike_is_alike_where_nothing_is_odd(theirs: FlowerStrategy, ours: Any) -> None:
    for seed in range(20):
        updates = rows(12, seed)
        expected = stepped(ours, updates).update
        assert torch.allclose(stepped(theirs, updates).update, expected, atol=2e-6)


def test_the_weights_of_clients_are_their_claims() -> None:
    weights = [1.0, 2, 3, 4]
    found = stepped(flowers("FedAvg"), rows(4), weights).update
    assert torch.allclose(found, torch.tensor(weights) / 10 @ rows(4), atol=1e-6)


@pytest.mark.parametrize(
    ("rule", "real"),
    [
        (flowers("FedAdam", eta=0.05), lambda: flower.FedAdam(eta=0.05)),
        (flowers("FedYogi"), flower.FedYogi),
        (flowers("FedAvgM", server_momentum=0.9), lambda: flower.FedAvgM(server_momentum=0.9)),
    ],
)
def test_what_it_keeps_is_kept_as_tensors(rule: FlowerStrategy, real: Any) -> None:
    """As one strategy that lives on, with the same weights sent in each round."""
    lives_on, states = real(), None
    sent = {name: tensor.numpy() for name, tensor in LAYOUT.split(START).items()}
    for round_ in (1, 2, 3):
        updates = rows(5, round_)
        step = stepped(rule, updates, states=states, round_=round_)
        states = [State(dict(state.tensors)) for state in step.states]
        assert all(isinstance(tensor, Tensor) for tensor in states[0].tensors.values())
        replies = [
            reply(place + 1, {name: part.numpy() for name, part in LAYOUT.split(START + row).items()}, 0.2)
            for place, row in enumerate(updates)
        ]
        expected = aggregated(lives_on, sent, replies, round_)
        assert expected is not None
        row = torch.cat([torch.from_numpy(expected[part.name]).float().flatten() for part in LAYOUT.slices])
        assert torch.allclose(START + step.update, row, atol=1e-6)


def test_the_former_apis_optimizers_step_from_the_weights_that_are_sent() -> None:
    """The first step of FedAdagrad without smoothing is eta times the sign of the mean, where tau is small."""
    rule = former("FedAdagrad", eta=0.1, eta_l=0.1, tau=1e-12)
    step = stepped(rule, rows(5))
    assert torch.allclose(step.update, 0.1 * rows(5).mean(0).sign(), atol=1e-4)
    again = stepped(rule, rows(5), states=[State(dict(state.tensors)) for state in step.states], round_=2)
    assert torch.allclose(again.update, step.update / 2**0.5, atol=1e-4)  # v has been added to twice


MINE = '''
from flwr.serverapp.strategy import FedAvg


class Counting(FedAvg):
    """Keeps a number, a list of arrays, and what no checkpoint should hold, if it is told to."""

    def __init__(self, odd=False):
        super().__init__()
        self.rounds, self.sums, self.odd = 0, [], odd

    def aggregate_train(self, server_round, replies):
        self.rounds += 1
        arrays, metrics = super().aggregate_train(server_round, replies)
        self.sums = [*self.sums, arrays["bias"].numpy().copy()]
        assert len(self.sums) == self.rounds
        if self.odd:
            self.callback = object()
        return arrays, metrics


class Nothing(FedAvg):
    def aggregate_train(self, server_round, replies):
        return None, None


def strategy():
    return Counting()


def no_strategy():
    return 5
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's, of which each test has its own."""
    monkeypatch.chdir(tmp_path)
    name = f"mine_{tmp_path.name}"
    Path(f"{name}.py").write_text(MINE)
    return name


def test_a_users_strategy_by_a_function_keeps_numbers_and_lists(mine: str) -> None:
    states = None
    for round_ in (1, 2, 3):
        step = stepped(flowers(f"{mine}:strategy"), rows(3), states=states, round_=round_)
        states = list(step.states)
    assert int(states[0].tensors["i/0/rounds/"]) == 3
    assert len([name for name in states[0].tensors if name.startswith("l/0/sums/")]) == 3


def test_what_cannot_be_kept_is_named(mine: str) -> None:
    with pytest.raises(TypeError, match=r"it keeps <object object at .* as callback; arrays, numbers"):
        stepped(flowers(f"{mine}:Counting", odd=True), rows(3))


def test_a_strategy_that_leaves_nothing_leaves_the_model(mine: str) -> None:
    step = stepped(flowers(f"{mine}:Nothing"), rows(3))
    assert step.skipped == "the strategy left nothing"
    assert not step.update.any()


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        ("flwr.serverapp.strategy:Krumm", {}, r"cannot be imported.*e.g. flwr.serverapp.strategy:Krum"),
        ("no_such_module:Krum", {}, "No module named 'no_such_module'"),
        ("flwr.serverapp.strategy:Krum", {"f": 1}, r"Krum\(f=1\) failed.*unexpected keyword argument 'f'"),
        ("{mine}:no_strategy", {}, "makes 5, and no strategy of Flower"),
        ("{mine}:MINE_TOO", {}, "cannot be imported"),
    ],
)
def test_what_cannot_be_made_is_named(make: str, options: dict[str, Any], words: str, mine: str) -> None:
    with pytest.raises(ConfigError, match=words):
        FlowerStrategy(make=make.format(mine=mine), options=options).init(LAYOUT)
    with pytest.raises(ConfigError, match="is no module:Name"):
        FlowerStrategy(make="Krum")


def experiment(**changes: Any) -> fedlens.Experiment:
    adam = {"name": "flower", "make": "flwr.serverapp.strategy:FedAdam", "options": {"eta": 0.05}}
    attack = {"name": "explicit-boosting", "boost": 2, "step_cap": 5}
    values = {"data": "digits", "clients": 5, "rounds": 4, "control": False, "local": {"steps": 3}, "attack": attack}
    return fedlens.Experiment(**values | {"aggregation": adam} | changes)


class Stop(fedlens.Callback):
    """Stops a run after its second round."""

    def round(self, record: RoundRecord) -> None:
        if record.round == 2:
            raise KeyboardInterrupt


def test_a_run_goes_on_with_the_same_bits_and_its_checkpoint_has_no_pickle(tmp_path: Path) -> None:
    fedlens.run(experiment(), tmp_path / "whole", engine="serial")
    with pytest.raises(KeyboardInterrupt):
        fedlens.run(experiment(), tmp_path / "stopped", engine="serial", observer=Stop())
    fedlens.run(experiment(), tmp_path / "stopped", engine="serial", resume=True)
    for name in ("rounds.jsonl", "final.safetensors", "checkpoint.safetensors"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    content = (tmp_path / "whole/checkpoint.safetensors").read_bytes()
    assert b"d/0/m_t/" in content
    assert b"pickle" not in content
    assert not any(bytes([0x80, protocol, 0x95]) in content[:4096] for protocol in (4, 5))


def test_the_same_simulation_with_flowers_rule_and_ours() -> None:
    krum = {"name": "flower", "make": "flwr.serverapp.strategy:Krum", "options": {"num_malicious_nodes": 1}}
    theirs = [result.record for result in fedlens.simulate(experiment(aggregation=krum), engine="serial")]
    ours = [
        result.record for result in fedlens.simulate(experiment(aggregation={"name": "krum", "f": 1}), engine="serial")
    ]
    for a, b in zip(theirs, ours, strict=True):
        assert a.quality.accuracy == pytest.approx(b.quality.accuracy, abs=0.01)
    assert theirs[0].effective_weights is None
