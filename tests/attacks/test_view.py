from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from attacker import CLIENTS, MALICIOUS, ROW, tiny
from helpers.records import attack_of
from reach import images, overlap, reachable, shared, span, tensors
from torch import Tensor

from fedlens.attacks.attack import Attack, View
from fedlens.attacks.estimation import Observation
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting, prepare
from fedlens.runs.round_result import RoundResult
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.context import GLOBAL, SharedTensors, WorkerContext
from fedlens.simulation.engines.jobs import HonestJob, MaliciousJob
from fedlens.simulation.engines.processes import Processes
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate


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


def look(context: WorkerContext, setting: Setting, attack: Attack, history: tuple[Observation, ...] = ()) -> View:
    """What the attack sees in round 3."""
    assert setting.auxiliary is not None
    MaliciousJob(3, MALICIOUS, ROW, 1, attack, 0.25, setting.auxiliary, history).run(context)
    return Spy.views[-1]


# The walk finds it


def test_the_walk_finds_what_a_view_should_not_have(context: WorkerContext, setting: Setting) -> None:
    view = look(context, setting, Spy())
    assert not shared(view, context)
    leak = context.shared.updates[1]
    module = setting.network().module
    module.hidden = lambda: leak
    network = setting.network()
    network.module.extra = module
    assert shared(replace(view, network=network), context)
    assert shared(replace(view, shard=Samples(context.dataset.train.x[:3], context.dataset.train.y[:3])), context)
    assert shared(replace(view, others=context.shared.updates[:2]), context)
    assert shared(replace(view, received=context.shared.models[GLOBAL]), context)
    assert shared(replace(view, history=(Observation(1, 0.25, view.weights, leak[:5]),)), context)


# What is seen


@pytest.mark.parametrize("attack", [Spy(), KnowsAll()])
def test_a_view_shares_no_memory_with_anyone(context: WorkerContext, setting: Setting, attack: Attack) -> None:
    view = look(context, setting, attack)
    assert len(tensors(view)) >= 12  # weights, shard, auxiliary samples, the network's vector, gradient, parameters
    assert not shared(view, context)


def test_a_view_shares_no_memory_with_what_the_server_evaluates(context: WorkerContext, setting: Setting) -> None:
    view = look(context, setting, Spy())
    for name, tensor in vars(setting.auxiliary).items():
        assert torch.equal(getattr(view.auxiliary, name), tensor)
        assert all(span(tensor) != span(seen) for seen in tensors(view))


def test_a_view_holds_no_one_elses_samples(context: WorkerContext, setting: Setting) -> None:
    view = look(context, setting, Spy())
    own = setting.dataset.train.take(setting.shards.indices(MALICIOUS))
    assert torch.equal(view.shard.x, own.x)
    assert torch.equal(view.shard.y, own.y)
    assert len(own) in {359, 360}
    assert setting.auxiliary is not None
    allowed = images(own) | {image.numpy().tobytes() for image in setting.auxiliary.x}
    seen = [tensor for tensor in tensors(view) if tensor.shape[1:] == (1, 8, 8)]
    assert len(seen) == 2
    assert set().union(*(images(Samples(tensor, tensor)) for tensor in seen)) == allowed


def test_a_view_holds_no_one_elses_update(context: WorkerContext, setting: Setting) -> None:
    view = look(context, setting, Spy())
    assert view.others is None
    before = context.shared.models[GLOBAL]
    for client in set(range(CLIENTS)) - {MALICIOUS}:
        update = context.shared.updates[client]
        assert update.any()
        for tensor in tensors(view):
            if tensor.numel() == update.numel():
                assert not torch.equal(tensor.detach(), update)
                assert not torch.equal(tensor.detach(), before + update)


def test_a_view_has_one_address_which_is_the_clients(context: WorkerContext, setting: Setting) -> None:
    view = look(context, setting, Spy())
    addresses = [item for item in reachable(view) if isinstance(item, Address)]
    assert addresses == [setting.root.at("client", 3, MALICIOUS)]
    assert not any(isinstance(item, WorkerContext | SharedTensors | Setting | Experiment) for item in reachable(view))


def test_the_rest_of_the_view(context: WorkerContext, setting: Setting) -> None:
    view = look(context, setting, Spy())
    assert (view.round, view.alpha, view.history, view.log) == (3, 0.25, (), {})
    assert torch.equal(view.weights, context.shared.models[GLOBAL])
    assert torch.equal(view.received, context.shared.models[GLOBAL])
    assert view.local == setting.experiment.local


@pytest.mark.parametrize("attack", [Spy(), KnowsAll()])
def test_the_network_holds_the_global_model_after_another_clients_job(
    context: WorkerContext, setting: Setting, attack: Attack
) -> None:
    assert context.network.gradient.any()
    assert not torch.equal(context.network.vector.detach(), context.shared.models[GLOBAL])
    look(context, setting, attack)
    vector, gradient = Spy.networks[-1]
    assert torch.equal(vector, context.shared.models[GLOBAL])
    assert not gradient.any()


def test_what_is_remembered_is_the_clients_own_copy(context: WorkerContext, setting: Setting) -> None:
    size = context.shared.updates.shape[1]
    kept = Observation(1, 0.25, torch.ones(size), torch.full((size,), 2.0))
    view = look(context, setting, Spy(), (kept,))
    (seen,) = view.history
    assert (seen.round, seen.alpha) == (1, 0.25)
    assert torch.equal(seen.weights, kept.weights)
    assert torch.equal(seen.update, kept.update)
    assert not overlap(view, [kept.weights, kept.update])
    assert not shared(view, context)


def test_under_pre_correction_the_start_is_ahead_of_what_was_received(context: WorkerContext, setting: Setting) -> None:
    before = context.shared.models[GLOBAL]
    kept = Observation(2, 0.25, before - 1, torch.full_like(before, 2.0))  # the others moved it by ½
    view = look(context, setting, Spy(estimate="pre"), (kept,))
    assert torch.equal(view.received, before)
    torch.testing.assert_close(view.weights, before + 0.5, rtol=0, atol=1e-6)
    vector, gradient = Spy.networks[-1]
    assert torch.equal(vector, view.weights)
    assert not gradient.any()
    assert not shared(view, context)


def test_an_omniscient_attack_sees_the_others_updates(context: WorkerContext, setting: Setting) -> None:
    others = look(context, setting, KnowsAll()).others
    assert others is not None
    assert torch.equal(others, context.shared.updates[[0, 1, 3]])
    assert others.any(dim=1).all()


def test_an_attacker_who_waits_trains_as_an_honest_client_would(context: WorkerContext, setting: Setting) -> None:
    assert setting.auxiliary is not None
    told = MaliciousJob(3, MALICIOUS, ROW, 1, Spy(delay=9), 0.25, setting.auxiliary, ()).run(context)
    assert told == {"acted": False, "reason": "delay", "alpha": 0.25}
    assert not Spy.views
    sent = context.shared.updates[ROW].clone()
    HonestJob(3, MALICIOUS, ROW, 1).run(context)
    assert torch.equal(context.shared.updates[ROW], sent)
    assert sent.any()


def test_what_the_view_trains_is_the_honest_update(context: WorkerContext, setting: Setting) -> None:
    update = look(context, setting, Spy()).train()
    HonestJob(3, MALICIOUS, ROW, 1).run(context)
    assert torch.equal(context.shared.updates[ROW], update)


# Memory


def play(attack: Attack, **changes: Any) -> list[RoundResult]:
    prepared = prepare(tiny(attack, **changes)).with_target(None)
    return list(federate(prepared, Serial()))


def test_an_attack_forgets_unless_it_declares_otherwise() -> None:
    play(Spy())
    assert [view.history for view in Spy.views] == [(), (), ()]


def test_an_attack_remembers_as_many_rounds_as_it_declares() -> None:
    results = play(RemembersTwo(), rounds=8, fraction=0.5)
    chosen = [result.record.round for result in results if result.record.malicious]
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
        for seen, kept in zip(*(side.state.history[CLIENTS - 1] for side in (one, other)), strict=True):
            assert torch.equal(seen.weights, kept.weights)
            assert torch.equal(seen.update, kept.update)


# In a federation


class Searches(Attack):
    """Looks for what belongs to others, inside the process where it runs."""

    remembers: ClassVar[int] = 2

    def craft(self, view: View) -> Tensor:
        context = Watched.context
        own = context.shard(MALICIOUS)
        others = {image for client in range(CLIENTS) if client != MALICIOUS for image in images(context.shard(client))}
        found = tensors(view)
        pictures = [tensor for tensor in found if tensor.shape[1:] == (1, 8, 8)]
        rows = [row for place, row in enumerate(context.shared.updates) if place != ROW and row.any()]
        forbidden = [known for row in rows for known in (row, view.received + row, view.weights + row)]
        vectors = [tensor.detach() for tensor in found if tensor.numel() == len(view.weights)]
        view.log.update(
            shared=len(shared(view, context)),
            tensors=len(found),
            history=len(view.history),
            samples=len(
                set().union(*(images(Samples(picture, picture)) for picture in pictures)) & others - images(own)
            ),
            updates=sum(bool(torch.equal(vector.view(-1), known)) for vector in vectors for known in forbidden),
            known=len(rows),
            control=len(shared(replace(view, others=context.shared.updates[:1]), context)),
        )
        return view.train()


class Watched:
    """An engine that notes the context of its workers, for an attack that searches."""

    context: ClassVar[WorkerContext]

    @classmethod
    def note(cls, engine: Engine) -> Engine:
        start = engine.start

        def noting(context: WorkerContext) -> None:
            cls.context = context
            start(context)

        engine.start = noting  # type: ignore[method-assign]
        return engine


@pytest.mark.parametrize("make", [Serial, lambda: Processes(2)], ids=["serial", "processes"])
@pytest.mark.parametrize("estimate", [None, "pre"])
def test_inside_craft_nothing_of_another_client_is_in_reach(make: Any, estimate: Any) -> None:
    prepared = prepare(tiny(Searches(client=MALICIOUS, estimate=estimate))).with_target(None)
    with Watched.note(make()) as engine:
        results = list(federate(prepared, engine))
    logs = [attack_of(result.record) for result in results]
    for log, remembered in zip(logs, [0, 1, 2], strict=True):
        assert log is not None
        assert (log["shared"], log["samples"], log["updates"]) == (0, 0, 0)
        assert log["history"] == remembered
        assert log["tensors"] >= 12 + 2 * remembered
        assert log["control"] > 0, "the search should find what is there"
    assert logs[-1] is not None
    assert logs[-1]["known"] == CLIENTS - 1
