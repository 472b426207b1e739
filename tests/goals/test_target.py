import re
from math import log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedlens.core.config import validate
from fedlens.core.errors import ConfigError, UnjudgedError
from fedlens.core.random import Address
from fedlens.data.dataset import Dataset, Samples
from fedlens.goals.paper_attack import PaperAttack
from fedlens.goals.success import TargetSamples
from fedlens.goals.target_samples import Target, choose, class_number, has_learnt

ADDRESS = Address.root(8).at("target")
PAPER = PaperAttack(source=0, target=2)
LABELS = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]
ROOTS = [Address.root(seed) for seed in range(30)]


def dataset(labels: list[int] = LABELS) -> Dataset:
    """A test set whose sample i is the number i; cats are wanted as birds."""
    y = torch.tensor(labels)
    test = Samples(torch.arange(float(len(labels)))[:, None], y)
    return Dataset(test, test, ("cat", "dog", "bird"))


def chosen(target: Target, address: Address = ADDRESS, twin: Tensor | None = None) -> list[int]:
    return choose(target, dataset(), PAPER, address, twin).index.tolist()


def refusal(target: Target, twin: Tensor | None = None, data: Dataset | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        choose(target, data or dataset(), PAPER, ADDRESS, twin)
    return str(caught.value)


def predictions(confidences: dict[int, float], labels: list[int] = LABELS) -> Tensor:
    """Log-probabilities with these confidences in the true class; other samples are all but surely wrong."""
    rows = torch.empty(len(labels), 3)
    for sample, label in enumerate(labels):
        right = confidences.get(sample, 0.01)
        rows[sample] = log((1 - right) / 2)
        rows[sample, label] = log(right)
    return rows


# The draw


def test_defaults_are_the_data_sets() -> None:
    auxiliary = choose(Target(), dataset(), PAPER, ADDRESS, None)
    index = int(auxiliary.index)
    assert LABELS[index] == 0
    assert auxiliary.x.tolist() == [[float(index)]]
    assert auxiliary.true.tolist() == [0]
    assert auxiliary.target.tolist() == [2]


def test_every_sample_of_the_class_can_be_drawn() -> None:
    assert {chosen(Target(), address)[0] for address in ROOTS} == {0, 3, 6, 9}


def test_same_address_same_samples() -> None:
    assert chosen(Target(r=3)) == chosen(Target(r=3))
    assert len({tuple(chosen(Target(r=3), address)) for address in ROOTS}) > 20


def test_samples_are_copies() -> None:
    data = dataset()
    choose(Target(), data, PAPER, ADDRESS, None).x.fill_(-1)
    choose(Target(), data, PAPER, ADDRESS, None).true.fill_(-1)
    assert data.test.x[:, 0].tolist() == list(range(12))
    assert data.test.y.tolist() == LABELS


@pytest.mark.parametrize(("source", "target"), [(1, 0), ("dog", "cat"), (1, "cat"), ("dog", 0)])
def test_classes_by_number_and_by_name(source: int | str, target: int | str) -> None:
    auxiliary = choose(Target(source=source, target=target), dataset(), PAPER, ADDRESS, None)
    assert auxiliary.true.tolist() == [1]
    assert auxiliary.target.tolist() == [0]


def test_classes_that_are_called_by_numbers() -> None:
    data = Dataset(dataset().train, dataset().test, ("7", "8", "9"))
    assert class_number("8", data, "source") == 1
    assert class_number(1, data, "source") == 1
    assert class_number(None, data, "source") is None


@pytest.mark.parametrize("value", [3, "fish", "Cat"])
@pytest.mark.parametrize("field", ["source", "target"])
def test_an_unknown_class_lists_the_classes(field: str, value: int | str) -> None:
    target = validate(Target, {field: value})
    told, _, remedy = refusal(target).partition("; e.g. ")
    assert told == f"target.{field}: there is no class {value!r}; the classes are 0 cat, 1 dog, 2 bird"
    meant = "cat" if value == "Cat" or field == "source" else "dog"
    assert remedy == f"-o target.{field}={meant}"


def test_source_and_target_must_differ() -> None:
    text = refusal(Target(source="dog", target=1))
    remedy = "choose another class, e.g. -o target.target=0"
    assert text == f"target.target: the sample is of class 1 (dog) already; {remedy}"


# Several samples


@given(st.integers(0, 2**32), st.integers(2, 12))
def test_several_samples_are_of_any_class_and_wanted_as_a_wrong_one(seed: int, r: int) -> None:
    auxiliary = choose(Target(r=r), dataset(), PAPER, Address.root(seed), None)
    assert len(set(auxiliary.index.tolist())) == r
    assert auxiliary.true.tolist() == [LABELS[index] for index in auxiliary.index.tolist()]
    assert (auxiliary.target != auxiliary.true).all()
    assert set(auxiliary.target.tolist()) <= {0, 1, 2}
    assert auxiliary.target.dtype == auxiliary.true.dtype == auxiliary.index.dtype == torch.int64


def test_every_wrong_class_is_wanted_about_as_often() -> None:
    counts = np.zeros((3, 3), dtype=int)
    for seed in range(200):
        auxiliary = choose(Target(r=12), dataset(), PAPER, Address.root(seed), None)
        np.add.at(counts, (auxiliary.true.numpy(), auxiliary.target.numpy()), 1)
    assert counts.diagonal().tolist() == [0, 0, 0]
    assert counts.sum() == 2_400
    wrong = counts[~np.eye(3, dtype=bool)]
    assert wrong.min() > 300  # mean 400, standard deviation 14
    assert wrong.max() < 500


def test_draws_from_one_seed_share_no_sample() -> None:
    drawn = [chosen(Target(source=0, target=2, r=2, draw=draw)) for draw in range(2)]
    assert sorted(drawn[0] + drawn[1]) == [0, 3, 6, 9]
    assert drawn[0] + drawn[1] == chosen(Target(source=0, target=2, r=4))


def test_draws_want_classes_of_their_own() -> None:
    everything = choose(Target(r=6), dataset(), PAPER, ADDRESS, None)
    second = choose(Target(r=3, draw=1), dataset(), PAPER, ADDRESS, None)
    assert second.index.tolist() == everything.index[3:].tolist()
    assert second.target.tolist() == everything.target[3:].tolist()


def test_a_draw_beyond_the_last() -> None:
    assert "target.r: 2 asked for after 2 draws of as many, but there are only 4" in refusal(
        Target(source=0, target=2, r=2, draw=2)
    )


def test_several_samples_of_one_class() -> None:
    auxiliary = choose(Target(r=4, source="dog"), dataset(), PAPER, ADDRESS, None)
    assert sorted(auxiliary.index.tolist()) == [1, 4, 7, 10]


def test_several_samples_wanted_as_one_class_are_drawn_from_the_others() -> None:
    auxiliary = choose(Target(r=8, target="dog"), dataset(), PAPER, ADDRESS, None)
    assert sorted(auxiliary.index.tolist()) == [0, 2, 3, 5, 6, 8, 9, 11]
    assert auxiliary.target.tolist() == [1] * 8


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(r=13), "13 asked for, but there are only 12 samples of the test set"),
        (Target(r=5, source=1), "5 asked for, but there are only 4 test samples of class dog"),
        (Target(r=9, target=1), "9 asked for, but there are only 8 samples of the test set"),
    ],
)
def test_more_samples_than_there_are(target: Target, words: str) -> None:
    told, _, remedy = refusal(target).partition("; e.g. ")
    assert told == f"target.r: {words}"
    assert re.fullmatch(r"-o target\.r=\d+", remedy)


@pytest.mark.parametrize(
    ("target", "remedy"),
    [
        (Target(r=3, draw=5), "-o target.draw=0"),
        (Target(r=4, source="dog", draw=1), "-o target.draw=0"),  # there are just four
        (Target(r=5, source="dog", draw=1), "-o target.draw=0 -o target.r=4"),
        (Target(r=5, source="dog"), "-o target.r=4"),
        (Target(r=1, source="fish"), "-o target.source=null"),
    ],
)
def test_the_remedy_for_too_few_samples_is_as_many_as_there_are(target: Target, remedy: str) -> None:
    data = Dataset(dataset().train, dataset().test, ("cat", "dog", "bird", "fish"))
    assert refusal(target, data=data).partition("; e.g. ")[2] == remedy


# Samples by index


def test_an_index() -> None:
    auxiliary = choose(Target(index=(4,), target="bird"), dataset(), PAPER, ADDRESS, None)
    assert auxiliary.index.tolist() == [4]
    assert auxiliary.true.tolist() == [1]
    assert auxiliary.target.tolist() == [2]
    assert choose(Target(index=(4,)), dataset(), PAPER, ADDRESS, None).target.tolist() == [2]


def test_indices_keep_their_order() -> None:
    auxiliary = choose(Target(index=(7, 0, 5)), dataset(), PAPER, ADDRESS, None)
    assert auxiliary.index.tolist() == [7, 0, 5]
    assert auxiliary.true.tolist() == [1, 0, 2]
    assert (auxiliary.target != auxiliary.true).all()


def test_an_index_gives_r() -> None:
    assert validate(Target, {"index": 4}) == Target(index=(4,), r=1)
    assert validate(Target, {"index": [4, 2]}).r == 2
    assert validate(Target, {"index": [4, 2], "r": 2}).r == 2


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"index": [4, 2], "r": 3}, "r is 3"),
        ({"index": [4, 4]}, "different numbers"),
        ({"index": []}, "greater than 0"),
        ({"index": [4], "select": "random"}, "an index leaves nothing to select"),
        ({"index": [4], "source": 1}, "an index leaves nothing to select"),
        ({"index": [4], "draw": 1}, "an index leaves nothing to select"),
        ({"index": [-1]}, "greater than or equal to 0"),
    ],
)
def test_an_index_that_cannot_be(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        validate(Target, values, "target")


def test_an_index_beyond_the_test_set() -> None:
    told = refusal(Target(index=(3, 12)))
    assert told == "target.index: there is no test sample 12; the last one is 11; e.g. -o target.index=11"
    assert chosen(Target(index=(11,), target=0)) == [11]


def test_an_index_of_a_sample_that_is_of_the_target_class_already() -> None:
    assert refusal(Target(index=(0, 1, 2), r=3, target=1)).endswith("(dog) already; e.g. -o target.r=1")  # all classes
    assert refusal(Target(index=(5,))).startswith("target.target: the sample is of class 2 (bird) already")
    assert refusal(Target(index=(0, 1), target=1)).startswith("target.target: the sample is of class 1 (dog) already")


def test_an_index_is_not_filtered() -> None:
    assert chosen(Target(index=(3,)), twin=predictions({})) == [3]


# Samples on which the twin resists


def unjudged(target: Target, twin: torch.Tensor) -> UnjudgedError:
    with pytest.raises(UnjudgedError) as caught:
        choose(target, dataset(), PAPER, ADDRESS, twin)
    return caught.value


def test_only_samples_count_that_the_twin_gets_right() -> None:
    twin = predictions({0: 0.9, 3: 0.2, 6: 0.6, 9: 0.1, 1: 0.99})
    assert {chosen(Target(), address, twin)[0] for address in ROOTS} == {0, 6}
    assert sorted(chosen(Target(r=3, source=None), ADDRESS, twin)) == [0, 1, 6]


def test_edge_cases_are_those_of_which_the_twin_is_least_sure() -> None:
    twin = predictions({0: 0.9, 3: 0.2, 6: 0.6, 9: 0.7, 1: 0.55, 4: 0.99})
    for address in ROOTS[:5]:
        assert chosen(Target(select="edge"), address, twin) == [6]
        assert chosen(Target(select="edge", r=3, source=None), address, twin) == [1, 6, 9]
        assert chosen(Target(select="edge", draw=1), address, twin) == [9]


def test_of_equally_sure_edge_cases_the_draw_decides() -> None:
    twin = predictions({0: 0.9, 3: 0.9, 6: 0.9, 9: 0.9})
    assert {chosen(Target(select="edge"), address, twin)[0] for address in ROOTS} == {0, 3, 6, 9}
    assert [chosen(Target(select="edge"), address, twin) for address in ROOTS] == [
        chosen(Target(select="resistant"), address, twin) for address in ROOTS
    ]


def test_right_but_with_less_than_half_of_the_confidence_does_not_count() -> None:
    twin = predictions({3: 0.4})  # the other two classes have 0.3 each
    assert int(twin[3].argmax()) == 0
    assert refusal(Target(), twin) == (
        "cannot be judged: without attack, the model gets 0 of 4 test samples of class cat right with "
        "confidence ≥ 0.5, and 1 is needed; take any samples, right or not: -o target.select=random"
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_half_of_the_confidence_is_enough(dtype: torch.dtype) -> None:
    halves = torch.log_softmax(torch.tensor([3.0, 3.0, -200.0], dtype=dtype), 0)
    assert halves[0] == torch.tensor(0.5, dtype=dtype).log()
    below = torch.log_softmax(torch.tensor([3.0, 2.9999, -2.0], dtype=dtype), 0)
    assert below.argmax() == 0
    assert below[0] < halves[0]
    twin = predictions({}).to(dtype)
    twin[3] = halves
    twin[9] = below
    assert {chosen(Target(), address, twin)[0] for address in ROOTS} == {3}


def test_half_of_the_confidence_in_a_class_that_is_not_predicted_is_not_enough() -> None:
    twin = predictions({1: 0.9})
    twin[4] = torch.tensor([log(0.5), log(0.5), log(1e-9)])  # the first of two equal classes is the prediction
    assert {chosen(Target(source="dog", target=0), address, twin)[0] for address in ROOTS} == {1}


def test_too_few_samples_resist() -> None:
    told = unjudged(Target(r=2), predictions({0: 0.9}))
    assert "1 of 12 samples of the test set right" in told.reason
    assert told.reason.endswith("and 2 are needed")
    assert told.remedies[0] == "take fewer samples, e.g. -o target.r=1"


@pytest.mark.parametrize(
    ("target", "remedies"),
    [
        (
            Target(source="cat", target="dog"),
            ["of which it gets 1 right, e.g. -o target.source=bird"],
        ),  # not the wanted dogs
        (Target(source="cat", target="bird"), ["of which it gets 2 right, e.g. -o target.source=dog"]),
        (Target(source="cat", target="bird", draw=1), ["of which it gets 2 right, e.g. -o target.source=dog"]),
        (Target(source="bird", target="cat", draw=1), ["-o target.draw=0", "e.g. -o target.source=dog"]),
        (Target(source="cat", r=3), []),
        (Target(source="cat", target="dog", draw=1), []),  # of the birds it gets but one right
        (Target(r=4), ["take fewer samples, e.g. -o target.r=3"]),
        (Target(r=4, draw=1), ["take fewer samples, e.g. -o target.draw=0 -o target.r=3"]),
        (Target(r=2, draw=1), ["take an earlier draw, e.g. -o target.draw=0"]),
        (Target(r=3, draw=1), ["take an earlier draw, e.g. -o target.draw=0"]),  # it gets just three right
        (Target(source="dog", r=2, draw=1), ["-o target.draw=0"]),
    ],
)
def test_where_too_few_resist_the_samples_that_would_do_are_named(target: Target, remedies: list[str]) -> None:
    told = unjudged(target, predictions({1: 0.9, 4: 0.9, 2: 0.9}))
    *others, last = told.remedies
    assert last == "take any samples, right or not: -o target.select=random"
    assert len(others) == len(remedies)
    assert all(remedy in other for remedy, other in zip(remedies, others, strict=True))
    assert str(told) == f"cannot be judged: {told.reason}; {', or '.join(told.remedies)}"


def test_a_class_that_is_called_by_a_number_is_suggested_by_its_place() -> None:
    data = Dataset(dataset().train, dataset().test, ("7", "8", "9"))
    with pytest.raises(UnjudgedError) as caught:
        choose(Target(source=0, target=2), data, PAPER, ADDRESS, predictions({1: 0.9}))
    assert caught.value.remedies[0] == "take a class of which it gets 1 right, e.g. -o target.source=1"


@pytest.mark.parametrize(("right", "learnt"), [(range(4), False), (range(5), True), ((), False)])
def test_a_model_has_learnt_if_it_resists_on_more_samples_than_a_class_has(right: list[int], learnt: bool) -> None:
    assert has_learnt(predictions(dict.fromkeys(right, 0.9)), dataset()) is learnt


@pytest.mark.parametrize(("draw", "possible"), [(-1, False), (2**63 - 1, True), (2**63, False)])
def test_draws_are_numbered_from_0_to_what_64_bits_hold(draw: int, possible: bool) -> None:
    if possible:
        assert Target(draw=draw).draw == draw
    else:
        with pytest.raises(ConfigError, match="draw"):
            Target(draw=draw)


@given(st.integers(0, 2**32), st.integers(1, 3), st.sets(st.integers(0, 11), min_size=1))
def test_a_random_draw_that_resists_is_the_resistant_draw(seed: int, r: int, resists: set[int]) -> None:
    target, address = Target(r=r, source="dog"), Address.root(seed)
    drawn = choose(target, dataset(), PAPER, address, None)
    twin = predictions(dict.fromkeys(resists, 0.9))
    if set(drawn.index.tolist()) <= resists:
        assert same(choose(target, dataset(), PAPER, address, twin), drawn)
    elif len(resists & {1, 4, 7, 10}) >= r:
        assert set(chosen(target, address, twin)) <= resists


def same(one: TargetSamples, other: TargetSamples) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("x", "true", "target", "index"))
