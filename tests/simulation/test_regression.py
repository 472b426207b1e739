"""Federations that predict a quantity: equal to plain PyTorch, alike on all engines, refused rightly."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fedlens.analysis.run_results import Run, load_run
from fedlens.attacks.honest import Honest
from fedlens.core.errors import ClientError, ConfigError
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.goals.damage import Damage
from fedlens.goals.goal import Standing
from fedlens.models.model import Model
from fedlens.runs.record import RoundRecord
from fedlens.simulation.callback import Callback
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.engines.processes import Processes
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate
from fedlens.simulation.simulation import run, simulate


class Prices(Data):
    """Prices that depend on three features."""

    def regression(self) -> bool:
        return True

    def load(self, directory: Path | None = None) -> Dataset:
        x = torch.linspace(-1, 1, 180).sin().reshape(60, 3)
        y = 1000 + 50 * (x @ torch.tensor([1.0, -2.0, 3.0]) + (5 * x[:, 0]).cos())
        return Dataset(Samples(x[:40], y[:40]), Samples(x[40:], y[40:]), classes=())


class Linear(Model):
    """A single layer of as many outputs as are asked for, and some more."""

    more: int = 0

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Linear(*shape, classes + self.more)


def prices(**options: object) -> Experiment:
    plan = {"steps": 2, "batch_size": 20, "optimizer": "sgd", "learning_rate": 0.1}
    return Experiment(
        **{"name": "prices", "data": Prices(), "model": Linear(), "clients": 2, "rounds": 2, "local": plan, **options}  # type: ignore[arg-type]
    )


def test_defaults_are_of_quantities() -> None:
    experiment = prices()
    assert (experiment.local.loss, experiment.goal) == ("mse", Damage())
    assert Experiment(**experiment.describe()) == experiment
    assert experiment.twin().goal == Damage()


def test_a_round_is_that_of_plain_pytorch() -> None:
    experiment = prices(rounds=1, attack=None, control=False)
    setting = prepare(experiment)
    [result] = simulate(experiment, engine="serial")
    train, start = setting.dataset.train, setting.network().state()
    after = []
    for client in range(2):
        mine = train.take(setting.shards.indices(client))
        module = nn.Linear(3, 1)
        module.load_state_dict({"weight": start[:3].reshape(1, 3), "bias": start[3:]})
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        for _ in range(2):  # a batch is the whole shard
            optimizer.zero_grad()
            nn.functional.mse_loss(module(mine.x)[:, 0], mine.y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        after.append(torch.cat([p.detach().reshape(-1) for p in module.parameters()]))
    mean = (after[0] + after[1]) / 2
    torch.testing.assert_close(result.state.weights, mean)
    raw = Prices().load()
    predicted = (raw.test.x @ mean[:3] + mean[3]) * raw.train.y.std(correction=0) + raw.train.y.mean()
    assert result.record.quality.mae == pytest.approx(float((predicted - raw.test.y).abs().mean()), rel=1e-4)


def played(experiment: Experiment, make: Callable[[], Engine]) -> list[tuple[Tensor, dict[str, object]]]:
    with make() as engine:
        results = list(federate(prepare(experiment).with_target(None), engine))
    return [(result.state.weights, asdict(result.record)) for result in results]


def test_engines_agree() -> None:
    experiment = prices(model="census-mlp", clients=3, attack="explicit-boosting", control=False)
    expected, found = played(experiment, Serial), played(experiment, lambda: Processes(2))
    for (one, record), (other, same) in zip(expected, found, strict=True):
        assert torch.equal(one, other)
        assert record == same
    setting = prepare(experiment)
    stacked = played(experiment, replace(choose_engine("vectorised", 1, setting), largest=8).make)
    again = played(experiment, replace(choose_engine("vectorised", 2, setting), largest=8).make)
    for (one, _), (other, _), (same, _) in zip(expected, stacked, again, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        assert torch.equal(other, same)


ATTACKS = [
    "explicit-boosting", "sign-flipping", {"name": "inner-product-manipulation", "eps": 20}, "adaptive-ipm",
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_untargeted_attacks_do_damage(attack: object) -> None:
    *_, last = simulate(prices(attack=attack, clients=3, attackers={"count": 1}), engine="serial")
    record = last.record
    assert record.twin is not None
    rise = record.quality.metrics["nmae"] - record.twin.quality.metrics["nmae"]  # type: ignore[operator]
    assert record.goal_met is (rise >= 0.1)
    assert rise > 0


def test_no_attack_does_none() -> None:
    *_, last = simulate(prices(attack=Honest()), engine="serial")
    assert last.record.goal_met is False


@pytest.mark.parametrize(
    ("attacked", "twin", "met"), [(0.6, 0.5, True), (0.59, 0.5, False), (None, 0.5, True), (0.6, None, False)]
)
def test_damage_is_a_tenth_of_a_standard_deviation(attacked: float | None, twin: float | None, met: bool) -> None:
    assert Damage().met(Standing(None, None, attacked), Standing(None, None, twin)) is met


REFUSED = {
    "a loss of classes": ({"local": {"loss": "cross-entropy"}}, "local.loss: .* -o local.loss=mse"),
    "the goal targets": ({"goal": "targets"}, "goal: targets are taken for another class.* -o goal=damage"),
    "a backdoor": ({"goal": {"name": "backdoor", "trigger": "pixel-patch"}}, "goal: backdoor wants .* -o goal=damage"),
    "target samples": ({"target": {"source": 0, "target": 1}}, "target: .* -o 'target={}'"),
    "classes dealt by share": ({"partition": "dirichlet"}, "partition: dirichlet deals .* -o partition=iid"),
    "classes in pieces": ({"partition": "label-shards"}, "partition: label-shards deals"),
    "an accuracy check": ({"checks": ["accuracy", "distances"]}, r"accuracy measures .* -o 'checks=\[distances\]'"),
    "another metric": ({"metrics": "f1"}, r"metrics: f1 is of classes.* -o 'metrics=\[\]'"),
    "an accuracy to stop at": ({"stop_at": 0.9}, "stop_at: .* -o stop_at=null"),
    "poisoned data": ({"attack": "data-poisoning"}, "goal: damage needs an attack that can do without samples"),
    "a confidence to wait for": ({"attack": {"name": "honest", "hold_off": 0.5}}, "attack.hold_off: .*null"),
    "the squared error of classes": ({"data": "digits", "local": {"loss": "mse"}}, "-o local.loss=cross-entropy"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_classes_is_refused(name: str) -> None:
    options, message = REFUSED[name]
    with pytest.raises(ConfigError, match=message):
        prices(**options)


@pytest.mark.parametrize("partition", ["iid", "quantity-skew"])
def test_other_partitions_deal_quantities(partition: str) -> None:
    assert int(prepare(prices(partition=partition)).shards.sizes.sum()) == 40


def test_a_server_has_root_samples_of_quantities() -> None:
    [result] = simulate(prices(aggregation="fltrust", root=5, rounds=1, control=False), engine="serial")
    assert result.record.quality.mae is not None


def test_a_model_of_several_outputs_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"outputs of shape \[2, 3\], and a regression needs one number"):
        next(iter(simulate(prices(model=Linear(more=2)), engine="serial")))


class Stopping(Callback):
    """Stops a run after its first round, not that of a control."""

    twin = True

    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        self.twin = twin

    def round(self, record: RoundRecord) -> None:
        if not self.twin:
            raise ClientError("stopped")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(prices(attack="sign-flipping"), tmp_path_factory.mktemp("whole") / "run", engine="serial")


def test_a_run_is_read_as_it_was_made(whole: Run) -> None:
    read = load_run(whole.path)
    assert (read.records, read.summary, read.regression) == (whole.records, whole.summary, True)
    assert read.summary is not None
    assert read.summary.accuracy is None
    assert read.summary.metrics == whole.records[-1].quality.metrics
    assert read.summary.goal is not None
    rises = read.rounds["mae"] - read.rounds["control_mae"]
    assert read.rounds["mae_rise"].tolist() == pytest.approx(rises.tolist())
    assert read.summary.goal.mae_rise == pytest.approx(rises.iloc[-1])
    assert not [name for name in read.rounds if "accuracy" in name]


def test_an_interrupted_run_is_resumed_with_the_same_bits(whole: Run, tmp_path: Path) -> None:
    experiment = prices(attack="sign-flipping")
    with pytest.raises(ClientError):
        run(experiment, tmp_path / "run", engine="serial", observer=Stopping())
    assert len(load_run(tmp_path / "run").records) == 1
    resumed = run(experiment, tmp_path / "run", engine="serial", resume=True)
    assert resumed.records == whole.records
    assert torch.equal(resumed.weights(), whole.weights())
    assert torch.equal(resumed.weights("best"), whole.weights("best"))  # type: ignore[arg-type]
