from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.explained import Explained

import fedlens
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.errors import ExplanationError, RunError
from fedlens.explanations.gather import gather, held_out, others


def test_runs_their_twins_and_their_targets(beside: Explained) -> None:
    runs = [*beside.kept, beside.plain]
    for run, one in zip(runs, gather(runs, "cpu", None), strict=True):
        subject = one.subject(None)
        assert one.twin.parent == beside.cache / "controls"
        test = one.setting.dataset.test
        assert subject.inputs.equal(test.x[run.target.index])
        assert subject.target_classes.tolist() == [7]
        for model, quality in zip(subject.models, (run.records[-1].twin.quality, run.records[-1].quality), strict=True):
            right = (model(test.x).argmax(1) == test.y).double().mean().item()
            assert right == pytest.approx(quality.accuracy)


def test_several_targets_have_their_own_classes(beside: Explained) -> None:
    (one,) = gather([beside.several], "cpu", None)
    subject = one.subject(None)
    assert subject.inputs.shape == (3, 1, 8, 8)
    assert subject.target_classes.tolist() == beside.several.target.target


def test_which_weights_were_kept(beside: Explained) -> None:
    kept, plain = gather([beside.kept[0], beside.plain], "cpu", None)
    assert kept.keeps_weights
    assert not plain.keeps_weights
    kept.subject(1)
    with pytest.raises(RunError, match="after round 1 were not kept"):
        plain.subject(1)


def test_rounds_are_those_of_the_run_and_of_its_twin(beside: Explained) -> None:
    (one,) = gather(beside.kept[:1], "cpu", None)
    test = one.setting.dataset.test
    for attacked in (True, False):
        accuracies = [
            (model(test.x).argmax(1) == test.y).double().mean().item() for model in one.rounds(attacked=attacked)
        ]
        records = [record if attacked else record.twin for record in beside.kept[0].records]
        assert accuracies == pytest.approx([record.quality.accuracy for record in records])


def test_guilty_are_the_rounds_in_which_the_attack_acted(beside: Explained) -> None:
    for run, one in zip(beside.kept, gather(beside.kept, "cpu", None), strict=True):
        assert one.attack_acted() == [3 in record.cohort for record in run.records]
        assert True in one.attack_acted()
    assert any(False in one.attack_acted() for one in gather(beside.kept, "cpu", None))


def test_runs_of_one_seed_are_refused(beside: Explained) -> None:
    with pytest.raises(RunError, match=r"kept0: has the seed of .*kept0; name one run of each seed"):
        gather([beside.kept[0], fedlens.load_run(beside.kept[0].path)], "cpu", None)


def test_runs_that_differ_in_something_else_are_refused(beside: Explained) -> None:
    attack = ExplicitBoosting(step_cap=7)
    run = beside.kept[1]
    unlike = replace(run, experiment=run.experiment.model_copy(update={"attack": attack}))
    with pytest.raises(
        RunError, match=r"kept1: differs from .*kept0 in more than seed and target: attack.step_cap: 105"
    ):
        gather([beside.kept[0], unlike], "cpu", None)
    elsewhere = replace(run, experiment=run.experiment.model_copy(update={"name": "another"}))
    assert len(gather([beside.kept[0], elsewhere], "cpu", None)) == 2


def test_a_run_without_its_twin_is_refused(explained: Explained) -> None:
    with pytest.raises(RunError, match="its benign twin is not in the cache any more"):
        gather([explained.plain], "cpu", None)  # the cache of this test is empty


def test_a_run_without_attack_is_refused(beside: Explained) -> None:
    with pytest.raises(RunError, match="honest: this is a run without attack; name an attacked one"):
        gather([beside.honest], "cpu", None)


def test_others_are_nobodys_targets_whatever_the_order(beside: Explained) -> None:
    gathered = gather([*beside.kept, beside.plain], "cpu", None)
    test = gathered[0].setting.dataset.test
    targets = [index for one in gathered for index in one.run.target.index]
    found = others(gathered, ["target", "random:200"])
    assert found.shape == (200, 1, 8, 8)
    assert found.equal(others(gathered[::-1], ["random:200"]))
    for index in targets:
        assert not (found == test.x[index]).flatten(1).all(1).any()
    assert others(gathered, [str(targets[0]), "target", "9"]).equal(test.x[[9]])
    assert len(others(gathered, ["target"])) == 0
    with pytest.raises(ExplanationError, match="only"):
        others(gathered, ["random:359"])


def test_samples_of_the_servers_own_come_first(beside: Explained) -> None:
    with_own, without = gather([beside.several], "cpu", None) + gather([beside.plain], "cpu", None)
    samples, own = held_out(with_own, 30)
    assert own
    assert with_own.setting.validation is not None
    assert samples.equal(with_own.setting.validation.x[:30])
    assert len(held_out(with_own, 300)[0]) == 100
    samples, own = held_out(without, 30)
    assert not own
    assert samples.equal(others([without], ["random:30"]))


def test_paths_need_not_be_absolute(beside: Explained, monkeypatch: pytest.MonkeyPatch) -> None:
    path = beside.plain.path
    monkeypatch.chdir(path.parent)
    (one,) = gather([fedlens.load_run(Path(path.name))], "cpu", None)
    assert torch.equal(one.subject(None).inputs, gather([beside.plain], "cpu", None)[0].subject(None).inputs)
