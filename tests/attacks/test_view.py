import functools
import types
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from fedlens.attacks.attack import Attack, View
from fedlens.data.dataset import Samples
from fedlens.data.digits import Digits
from fedlens.experiment import Experiment
from fedlens.federation.bench import GLOBAL, Arena, Bench, HonestJob, MaliciousJob
from fedlens.federation.engines.serial import Serial
from fedlens.federation.local import LocalTraining
from fedlens.federation.record import RoundResult
from fedlens.federation.rounds import federate
from fedlens.federation.setting import Setting, prepare
from fedlens.models.mlp import CensusMlp
from fedlens.random import Address

CLIENTS, MALICIOUS, ROW = 4, 2, 2


class Spy(Attack):
    """Keeps its views, and what the network held when it got it."""

    views: ClassVar[list[View]] = []
    networks: ClassVar[list[tuple[Tensor, Tensor]]] = []

    def craft(self, view: View) -> Tensor:
        self.views.append(view)
        self.networks.append((view.network.vector.detach().clone(), view.network.gradient.clone()))
        return torch.full_like(view.weights, 1e-4 * view.round)


class KnowsAll(Spy):
    omniscient: ClassVar[bool] = True


class RemembersTwo(Spy):
    remembers: ClassVar[int] = 2


class Scribbles(Spy):
    """Writes over everything that it is given."""

    remembers: ClassVar[int] = 1

    def craft(self, view: View) -> Tensor:
        update = super().craft(view)
        with torch.no_grad():
            for tensor in tensors(view):
                tensor.fill_(1)
        view.log.clear()
        return update


class RemembersOne(Spy):
    remembers: ClassVar[int] = 1


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    Spy.views.clear()
    Spy.networks.clear()


@pytest.fixture(scope="module")
def setting() -> Setting:
    return prepare(experiment(Spy())).with_target(None)


@pytest.fixture
def bench(setting: Setting) -> Bench:
    """A bench at which the honest clients have been served already."""
    network = setting.network()
    weights = network.vector.detach().clone()
    arena = Arena(torch.zeros(2, len(weights)), torch.zeros(CLIENTS, len(weights)), torch.zeros(2, 360, 10))
    arena.models[GLOBAL] = weights
    bench = Bench(setting.dataset, setting.shards, network, setting.experiment.local, setting.root, arena)
    for client in set(range(CLIENTS)) - {MALICIOUS}:
        HonestJob(3, client, row=client, cost=1).run(bench)
    return bench


def experiment(attack: Attack, **changes: Any) -> Experiment:
    plan = {"clients": CLIENTS, "rounds": 3, "local": LocalTraining(steps=3, batch_size=20), "control": False}
    return Experiment(data=Digits(), model=CensusMlp(), attack=attack, **{**plan, **changes})


def look(bench: Bench, setting: Setting, attack: Attack) -> View:
    """What the attack sees at the bench in round 3."""
    assert setting.auxiliary is not None
    MaliciousJob(3, MALICIOUS, ROW, 1, attack, 0.25, setting.auxiliary, ()).run(bench)
    return Spy.views[-1]


def parts_of(thing: Any) -> Iterator[Any]:
    """What can be reached from `thing` in one step, without going through a class or a module."""
    if isinstance(thing, Mapping):
        yield from thing.keys()
        yield from thing.values()
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from thing
    elif isinstance(thing, types.MethodType):
        yield from (thing.__self__, thing.__func__)
    elif isinstance(thing, types.FunctionType):
        yield from (cell.cell_contents for cell in thing.__closure__ or ())
        yield from (thing.__defaults__, thing.__kwdefaults__)
    elif isinstance(thing, functools.partial):
        yield from (thing.func, thing.args, thing.keywords)
    if isinstance(thing, Tensor):
        yield from (thing.grad if thing.is_leaf else None, thing._base)
    if isinstance(thing, np.ndarray):
        yield thing.base
    yield getattr(thing, "__dict__", None)
    for cls in type(thing).__mro__:
        slots = vars(cls).get("__slots__", ())
        yield from (getattr(thing, name, None) for name in ((slots,) if isinstance(slots, str) else slots))


def reachable(thing: Any) -> list[Any]:
    """Everything that can be reached from `thing`."""
    plain = (type, types.ModuleType, str, bytes, int, float, bool, type(None), torch.dtype, torch.device)
    found: dict[int, Any] = {}
    left = [thing]
    while left:
        here = left.pop()
        if id(here) not in found and not isinstance(here, plain):
            found[id(here)] = here
            left.extend(parts_of(here))
    return list(found.values())


def tensors(thing: Any) -> list[Tensor]:
    found = reachable(thing)
    arrays = [torch.from_numpy(item) for item in found if isinstance(item, np.ndarray) and item.dtype != object]
    return [item for item in found if isinstance(item, Tensor)] + arrays


def span(tensor: Tensor) -> range:
    storage = tensor.untyped_storage()
    return range(storage.data_ptr(), storage.data_ptr() + storage.nbytes())


def shared(view: View, bench: Bench) -> list[Tensor]:
    """Tensors that can be reached from `view` and share memory with the data, the shards or the arena."""
    data, arena = bench.dataset, bench.arena
    others = [data.train.x, data.train.y, data.test.x, data.test.y, bench.shards.order, bench.shards.offsets]
    others += [arena.models, arena.updates, arena.log_probabilities]
    spans = [span(tensor) for tensor in others]
    assert all(spans)
    return [
        tensor
        for tensor in tensors(view)
        if any(max(span(tensor).start, other.start) < min(span(tensor).stop, other.stop) for other in spans)
    ]


def images(samples: Samples) -> set[bytes]:
    return {image.numpy().tobytes() for image in samples.x}


# The walk itself


def test_the_walk_finds_what_is_hidden(bench: Bench, setting: Setting) -> None:
    view = look(bench, setting, Spy())
    assert not shared(view, bench)
    leak = bench.arena.updates[1]

    class Slotted:
        __slots__ = ("held",)

    slotted = Slotted()
    slotted.held = leak.view(-1)[5:9]
    for hidden in (leak, [(leak,)], {"x": leak.numpy()}, lambda: leak, functools.partial(print, leak), slotted):
        module = setting.network().module
        module.hidden = hidden
        network = setting.network()
        network.module.extra = module
        assert shared(replace(view, network=network), bench), hidden
    assert shared(replace(view, shard=Samples(bench.dataset.train.x[:3], bench.dataset.train.y[:3])), bench)
    assert shared(replace(view, others=bench.arena.updates[:2]), bench)


# What is seen


@pytest.mark.parametrize("attack", [Spy(), KnowsAll()])
def test_a_view_shares_no_memory_with_anyone(bench: Bench, setting: Setting, attack: Attack) -> None:
    view = look(bench, setting, attack)
    assert len(tensors(view)) >= 12  # weights, shard, auxiliary samples, the network's vector, gradient, parameters
    assert not shared(view, bench)


def test_a_view_shares_no_memory_with_what_the_server_evaluates(bench: Bench, setting: Setting) -> None:
    view = look(bench, setting, Spy())
    for name, tensor in vars(setting.auxiliary).items():
        assert torch.equal(getattr(view.auxiliary, name), tensor)
        assert all(span(tensor) != span(seen) for seen in tensors(view))


def test_a_view_holds_no_one_elses_samples(bench: Bench, setting: Setting) -> None:
    view = look(bench, setting, Spy())
    own = setting.dataset.train.take(setting.shards.indices(MALICIOUS))
    assert torch.equal(view.shard.x, own.x)
    assert torch.equal(view.shard.y, own.y)
    assert len(own) in {359, 360}
    assert setting.auxiliary is not None
    allowed = images(own) | {image.numpy().tobytes() for image in setting.auxiliary.x}
    seen = [tensor for tensor in tensors(view) if tensor.shape[1:] == (1, 8, 8)]
    assert len(seen) == 2
    assert set().union(*(images(Samples(tensor, tensor)) for tensor in seen)) == allowed


def test_a_view_holds_no_one_elses_update(bench: Bench, setting: Setting) -> None:
    view = look(bench, setting, Spy())
    assert view.others is None
    before = bench.arena.models[GLOBAL]
    for client in set(range(CLIENTS)) - {MALICIOUS}:
        update = bench.arena.updates[client]
        assert update.any()
        for tensor in tensors(view):
            if tensor.numel() == update.numel():
                assert not torch.equal(tensor.detach(), update)
                assert not torch.equal(tensor.detach(), before + update)


def test_a_view_has_one_address_which_is_the_clients(bench: Bench, setting: Setting) -> None:
    view = look(bench, setting, Spy())
    addresses = [item for item in reachable(view) if isinstance(item, Address)]
    assert addresses == [setting.root.at("client", 3, MALICIOUS)]
    assert not any(isinstance(item, Bench | Arena | Setting | Experiment) for item in reachable(view))


def test_the_rest_of_the_view(bench: Bench, setting: Setting) -> None:
    view = look(bench, setting, Spy())
    assert (view.round, view.alpha, view.history, view.log) == (3, 0.25, (), {})
    assert torch.equal(view.weights, bench.arena.models[GLOBAL])
    assert view.local == setting.experiment.local


@pytest.mark.parametrize("attack", [Spy(), KnowsAll()])
def test_the_network_holds_the_global_model_after_another_clients_job(
    bench: Bench, setting: Setting, attack: Attack
) -> None:
    assert bench.network.gradient.any()
    assert not torch.equal(bench.network.vector.detach(), bench.arena.models[GLOBAL])
    look(bench, setting, attack)
    vector, gradient = Spy.networks[-1]
    assert torch.equal(vector, bench.arena.models[GLOBAL])
    assert not gradient.any()


def test_an_omniscient_attack_sees_the_others_updates(bench: Bench, setting: Setting) -> None:
    others = look(bench, setting, KnowsAll()).others
    assert others is not None
    assert torch.equal(others, bench.arena.updates[[0, 1, 3]])
    assert others.any(dim=1).all()


def test_an_attacker_who_waits_trains_as_an_honest_client_would(bench: Bench, setting: Setting) -> None:
    assert setting.auxiliary is not None
    told = MaliciousJob(3, MALICIOUS, ROW, 1, Spy(delay=9), 0.25, setting.auxiliary, ()).run(bench)
    assert told == {"acted": False, "reason": "delay", "alpha": 0.25}
    assert not Spy.views
    sent = bench.arena.updates[ROW].clone()
    HonestJob(3, MALICIOUS, ROW, 1).run(bench)
    assert torch.equal(bench.arena.updates[ROW], sent)
    assert sent.any()


def test_what_the_view_trains_is_the_honest_update(bench: Bench, setting: Setting) -> None:
    update = look(bench, setting, Spy()).train()
    HonestJob(3, MALICIOUS, ROW, 1).run(bench)
    assert torch.equal(bench.arena.updates[ROW], update)


# Memory


def play(attack: Attack, **changes: Any) -> list[RoundResult]:
    prepared = prepare(experiment(attack, **changes)).with_target(None)
    return list(federate(prepared, Serial()))


def test_an_attack_forgets_unless_it_declares_otherwise() -> None:
    play(Spy())
    assert [view.history for view in Spy.views] == [(), (), ()]


def test_an_attack_remembers_as_many_rounds_as_it_declares() -> None:
    results = play(RemembersTwo(), rounds=8, fraction=0.5)
    chosen = [result.record.round for result in results if result.record.attacker]
    assert 4 <= len(chosen) < 8
    assert [view.round for view in Spy.views] == chosen
    for place, view in enumerate(Spy.views):
        assert [seen.round for seen in view.history] == chosen[max(0, place - 2) : place]
        for seen in view.history:
            then = Spy.views[chosen.index(seen.round)]
            assert seen.alpha == then.alpha == pytest.approx(0.5, abs=0.01)
            assert torch.equal(seen.weights, then.weights)
            assert torch.equal(seen.update, torch.full_like(seen.weights, 1e-4 * seen.round))


def test_writing_over_the_view_changes_nothing() -> None:
    scribbled = play(Scribbles())
    assert all((tensor == 1).all() for tensor in tensors(Spy.views[1].history)), "there was a history to write over"
    honest = play(RemembersOne())
    for one, other in zip(scribbled, honest, strict=True):
        assert one.record == other.record
        assert torch.equal(one.state.weights, other.state.weights)
        for seen, kept in zip(one.state.history, other.state.history, strict=True):
            assert torch.equal(seen.weights, kept.weights)
            assert torch.equal(seen.update, kept.update)
