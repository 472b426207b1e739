"""Malicious nodes in apps of users: the attack's formula, everybody else's bits, and what is refused."""

import logging
from typing import Any

import numpy as np
import pytest
import torch
from apps import Net, app, former_app, former_server, samples, server, train
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from messages import request
from torch import Tensor, nn

from fedlens.attacks import Attack, ExplicitBoosting, View
from fedlens.bridges.flower import Attacked, Malicious, Played, play
from fedlens.core.errors import ClientError, ConfigError
from fedlens.data import Samples
from fedlens.training import LocalTraining

NODES = 4
X, Y = samples(0, 1)
TARGETS = (X[:1], Y[:1], torch.tensor([7]))
SGD = LocalTraining(optimizer="sgd", learning_rate=0.05)
FIVE_STEPS = ExplicitBoosting(epochs=5, threshold=None, boost=6)


def last(context: Context) -> bool:
    return context.node_config["partition-id"] == NODES - 1


def shard(context: Context) -> tuple[Tensor, Tensor]:
    return samples(int(context.node_config["partition-id"]), NODES)


def evil(attack: Any = FIVE_STEPS, client: Any = app, **options: Any) -> Attacked:
    given = {"model": Net, "targets": TARGETS, "when": last, "local": SGD}
    return Attacked(client, Malicious(attack, **given | options))


def sums(arrays: Any) -> list[bytes]:
    return [array.tobytes() for array in arrays.values()]


def named(arrays: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays of either API by the module's names."""
    return dict(zip(Net().state_dict(), arrays.values(), strict=True))


BUFFERS = [name for name, _ in Net().named_buffers()]
PARAMETERS = [name for name, _ in Net().named_parameters()]
BOTH = pytest.mark.parametrize("api", ["message", "former"])


@pytest.fixture(scope="module")
def honest() -> dict[str, Played]:
    return {
        "message": play(server(rounds=1), app, nodes=NODES),
        "former": play(former_server(rounds=1), former_app, nodes=NODES),
    }


@pytest.fixture(scope="module")
def attacked() -> dict[str, Played]:
    former = play(former_server(rounds=1), evil(client=former_app), nodes=NODES)
    return {"message": play(server(rounds=1), evil(), nodes=NODES), "former": former}


def displacement(arrays: Any) -> dict[str, Tensor]:
    """Five steps of plain gradient descent on the target, with the running statistics that the server sent."""
    net = Net()
    net.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in named(arrays).items()})
    net.eval()
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    for _ in range(5):
        parameters = list(net.parameters())
        gradients = torch.autograd.grad(nn.functional.cross_entropy(net(TARGETS[0]), TARGETS[2]), parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.data.sub_(0.05 * gradient)
    return {name: parameter.detach() - before[name] for name, parameter in net.named_parameters()}


@BOTH
def test_what_is_sent_is_the_boosted_displacement(attacked: dict[str, Played], api: str) -> None:
    first = attacked[api].rounds[0]
    moved, sent = displacement(first.sent), named(first.replies[NODES - 1])
    for name, step in moved.items():
        found = torch.from_numpy(sent[name].astype("f8") - named(first.sent)[name])
        assert float((found / 6 - step).abs().max()) < 1e-5 * float(step.abs().max())


@BOTH
def test_all_others_answer_to_the_byte_and_the_attackers_buffers_are_the_apps(
    honest: dict[str, Played], attacked: dict[str, Played], api: str
) -> None:
    control, first = honest[api].rounds[0], attacked[api].rounds[0]
    assert sums(control.sent) == sums(first.sent)
    for part in range(NODES - 1):
        assert sums(control.replies[part]) == sums(first.replies[part])
    benign, malicious = named(control.replies[NODES - 1]), named(first.replies[NODES - 1])
    assert all(benign[name].tobytes() == malicious[name].tobytes() for name in BUFFERS)
    assert all(benign[name].tobytes() != malicious[name].tobytes() for name in PARAMETERS)
    assert [benign[name].dtype for name in benign] == [malicious[name].dtype for name in malicious]
    assert malicious["norm.num_batches_tracked"].shape == ()
    assert first.examples == control.examples


class Kept(Attack):
    """An attack that sends its honest training, with a factor of 2."""

    def craft(self, view: View) -> Tensor:
        return 2 * view.train()


def test_honest_training_is_the_apps_own(honest: dict[str, Played]) -> None:
    found = play(server(rounds=1), evil(Kept()), nodes=NODES).rounds[0]
    benign = honest["message"].rounds[0].replies[NODES - 1]
    for name in PARAMETERS:
        expected = found.sent[name] + 2 * (benign[name] - found.sent[name])
        assert np.allclose(found.replies[NODES - 1][name], expected, atol=1e-6)


class Still(Attack):
    """An attack that sends nothing but its correction."""

    def craft(self, view: View) -> Tensor:
        return torch.zeros_like(view.weights)


def test_estimates_are_by_what_the_nodes_state_keeps() -> None:
    """Of w2 - w1 - alpha d1 the node sends -3 times; d1 is 0, as nothing is known in round 1, and alpha 1/4."""
    found = play(server(rounds=2), evil(Still(estimate="post", boost=3)), nodes=NODES).rounds
    for name in PARAMETERS:
        assert np.allclose(found[0].replies[NODES - 1][name], found[0].sent[name])
        moved = found[1].sent[name] - found[0].sent[name]
        assert np.allclose(found[1].replies[NODES - 1][name], found[1].sent[name] - 3 * moved, atol=1e-5)


def test_a_mod_may_be_an_apps_own_and_attack_in_its_window_alone(honest: dict[str, Played], caplog: Any) -> None:
    caplog.set_level(logging.WARNING, "fedlens")
    mod = Malicious(FIVE_STEPS.model_copy(update={"delay": 2}), model=Net, targets=TARGETS, when=last)
    own = ClientApp(mods=[mod])
    own.train()(train)
    found = play(server(rounds=2), own, nodes=NODES)
    assert sums(found.rounds[0].replies[3]) == sums(honest["message"].rounds[0].replies[3])
    assert [(act.round, act.node, act.reason) for act in mod.acts] == [(1, 4, "delay"), (2, 4, None)]
    assert "round 1: malicious node 4 is honest (delay)" in caplog.text
    assert "round 2: malicious node 4 sends an update of explicit-boosting, boosted 6 times" in caplog.text


def test_a_claim_is_said_and_gives_the_weight() -> None:
    """Of 4 nodes, one that claims 6 times as many has 6/9, so that a boost of auto is 1.5."""
    auto = FIVE_STEPS.model_copy(update={"boost": "auto"})
    attacker = evil(auto, claim=6.0)
    first = play(server(rounds=1), attacker, nodes=NODES).rounds[0]
    true = len(samples(3, NODES)[0])
    assert first.examples[3] == 6 * true
    assert attacker.malicious.acts[0].claimed == 6 * true
    assert attacker.malicious.acts[0].log["boost"] == pytest.approx(1.5)
    own = evil({"name": "explicit-boosting", "claim": 6})
    assert (own.malicious.claim, attacker.malicious.claim) == (6, 6)
    asked = evil(claim=lambda examples: examples + 1, client=former_app)
    assert play(former_server(rounds=1), asked, nodes=NODES).rounds[0].examples[3] == true + 1


def test_a_team_boosts_once_together() -> None:
    def two(context: Context) -> bool:
        return int(context.node_config["partition-id"]) >= 2

    attacker = evil(FIVE_STEPS.model_copy(update={"boost": "auto"}), when=two, team=2)
    play(server(rounds=1), attacker, nodes=NODES)
    assert {act.node: act.log["boost"] for act in attacker.malicious.acts} == {3: 2.0, 4: 2.0}


def context(state: RecordDict | None = None, **config: Any) -> Context:
    return Context(1, 7, config, RecordDict() if state is None else state, {})


def linear(message: Message, _: Context) -> Message:
    """An app without torch: it adds one to everything."""
    [(name, record)] = message.content.array_records.items()
    moved = ArrayRecord({key: Array(array.numpy() + 1) for key, array in record.items()})
    return Message(RecordDict({name: moved, "metrics": MetricRecord({"num-examples": 10})}), reply_to=message)


def asked(malicious: Malicious, arrays: Any, where: Context, *, told: bool = True) -> dict[str, Any]:
    message = request(7, arrays)
    if not told:
        message.content["config"] = ConfigRecord()
    answer = malicious(message, where, linear)
    return {name: array.numpy() for name, array in answer.content["arrays"].items()}


def mod(attack: Any = FIVE_STEPS, **options: Any) -> Malicious:
    given = {"model": lambda: nn.Linear(64, 10), "targets": TARGETS, "when": lambda _: True, "alpha": 0.5}
    return Malicious(attack, **given | options)


WEIGHT, BIAS = np.zeros((10, 64), np.float32), np.zeros(10, np.float32)


@pytest.mark.parametrize(
    "arrays",
    [
        {"bias": BIAS, "weight": WEIGHT},
        {"0": WEIGHT, "1": BIAS},
        {"net.weight": WEIGHT.astype("f8"), "net.bias": BIAS.astype("f8")},
        {"weight": WEIGHT, "bias": BIAS, "vocabulary": np.arange(5)},
    ],
)
def test_arrays_are_matched_by_names_or_else_by_places(arrays: Any) -> None:
    found = asked(mod(Kept()), arrays, context())
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert np.allclose(found[name], array + 1 if name == "vocabulary" else 2)


def test_parameters_alone_will_do_for_a_module_with_buffers() -> None:
    arrays = {str(place): value.detach().numpy() for place, value in enumerate(Net().parameters())}
    assert list(asked(mod(Kept(), model=Net()), arrays, context())) == list(arrays)


def test_a_model_that_does_not_fit_is_refused_with_both_lists() -> None:
    arrays = {"a.weight": np.zeros((3, 4), np.float32), "a.bias": np.zeros(3, np.float32)}
    words = r"it has weight \[10, 64\], bias \[10\]; the server sends a.weight \[3, 4\], a.bias \[3\]"
    with pytest.raises(ConfigError, match=words):
        asked(mod(), arrays, context())
    with pytest.raises(ConfigError, match=r"made a bytes; attacks by gradients need the client's torch\.nn\.Module"):
        asked(mod(model=bytes), arrays, context())
    with pytest.raises(ConfigError, match=r"cannot be called without arguments.*model=lambda: Net\(10\)"):
        asked(mod(model=nn.Linear), arrays, context())


def test_refusals_come_out_of_a_federation() -> None:
    with pytest.raises(ConfigError, match="neither by names nor by places"):
        play(former_server(rounds=1), evil(client=former_app, model=lambda: nn.Linear(64, 10)), nodes=NODES)


def test_rounds_are_counted_where_the_server_does_not_tell_them() -> None:
    malicious, where = mod(), context()
    for _ in range(3):
        asked(malicious, {"weight": WEIGHT, "bias": BIAS}, where, told=False)
    assert [act.round for act in malicious.acts] == [1, 2, 3]


def test_messages_that_are_not_for_training_and_errors_pass() -> None:
    def failing(message: Message, _: Context) -> Message:
        return Message(Error(1, "no memory"), reply_to=message)

    malicious, message = mod(), request(7, {"weight": WEIGHT, "bias": BIAS})
    assert malicious(message, context(), failing).has_error()
    assert malicious.acts[0].reason == "error"
    message.metadata.message_type = "evaluate"
    assert malicious(message, context(), failing).has_error()
    assert len(malicious.acts) == 1


class Wrong(Attack):
    """An attack that fails, or sends something odd."""

    how: str = "raise"

    def craft(self, view: View) -> Tensor:
        if self.how == "raise":
            raise ValueError("no idea")
        return torch.zeros(3) if self.how == "short" else view.train() + len(view.shard)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ("raise", ClientError, r"Wrong failed at node 7 in round 1: ValueError: no idea"),
        ("short", ClientError, r"made an update of shape \[3\]; \[650\] is right"),
        ("data", ConfigError, r"data: the attack looks at its client's samples.*data=lambda context: \(x, y\)"),
    ],
)
def test_what_an_attack_does_wrong_is_said(how: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        asked(mod(Wrong(how=how)), {"weight": WEIGHT, "bias": BIAS}, context())


@pytest.mark.parametrize(
    ("attack", "options", "words"),
    [
        (
            {"name": "inner-product-manipulation", "eps": 1},
            {},
            "sees the updates of every client, and a node of a running federation",
        ),
        ("adaptive-ipm", {}, "sees the updates of|tries the server's aggregation"),
        ("badnets", {}, "plants a trigger; give the goal"),
        ("dba", {"goal": "backdoor", "targets": None}, "gives each attacker a part of the trigger"),
        ("data-poisoning", {"targets": None}, "needs samples to be misclassified"),
        ("explicit-boosting", {"targets": None}, "needs samples to be misclassified"),
        ("explicit-boosting", {"goal": "backdoor"}, "has targets and a goal; one of them"),
        ("explicit-boosting", {"goal": "backdoor", "targets": None}, "works on samples of the client's own"),
        ("label-flipping", {"data": shard}, "with objective untargeted only does damage"),
        ("explicit-boosting", {"alpha": 0.0}, r"alpha: is 0.0; a share above 0"),
        ("explicit-boosting", {"claim": float("nan")}, r"claim: is nan; a factor above 0"),
        ("explicit-boosting", {"team": 0}, "team: is 0; at least one"),
        ("explicit-boosting", {"targets": (X, Y)}, "targets: are a tuple; inputs, their true classes"),
        ("explicit-boosting", {"targets": (X[:2], Y[:1], Y[:1])}, r"targets: are of shapes \[2, 64\] and \[1\]"),
    ],
)
def test_what_a_node_cannot_do_is_refused_with_a_reason(attack: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        mod(attack, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": None}, "this node's configuration has no num-partitions; give it, e.g. alpha=0.1"),
        ({"data": lambda _: X, "attack": "data-poisoning"}, r"data: is a Tensor; inputs and labels are right"),
        ({"data": lambda _: (X, Y[:3]), "attack": "data-poisoning"}, r"data: inputs of shape \[1797, 64\], labels"),
        ({"claim": 2.0, "key": "samples"}, "claim: the app's answer has no metric 'samples' to change"),
        (
            {"attack": Kept(estimate="pre", boost=1)},
            "the app trains from what the server sent, and the attack asks",
        ),
    ],
)
def test_what_is_missing_in_a_round_is_refused(options: dict[str, Any], words: str) -> None:
    where, malicious = context(), mod(**options)
    with pytest.raises(ConfigError, match=words):
        [asked(malicious, {"weight": WEIGHT + turn, "bias": BIAS}, where, told=False) for turn in range(2)]


def test_changed_samples_are_trained_on_by_us() -> None:
    """With labels flipped, what is sent is training on them, and not the app's, which adds one to everything."""
    options: dict[str, Any] = {"data": lambda _: Samples(X[:50], Y[:50]), "targets": None}
    found = asked(mod("label-flipping", **options), {"weight": WEIGHT, "bias": BIAS}, context())
    assert 0 < np.abs(found["weight"]).max() < 0.1
