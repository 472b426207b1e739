from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from linear import ignore, linear
from numpy.typing import NDArray

from fedlens.explanations.maps import parse_methods
from fedlens.explanations.permutation_test import permutation_test
from fedlens.explanations.study import ALL, OTHERS, TARGETS, WANTED, Subject, likeness, study, work

GRADIENT = parse_methods("gradient")
NAMES = ("benign", "poisoned", "same_seed", "difference")


def row(table: pd.DataFrame, question: str, method: str = "gradient", measure: str = "cosine") -> pd.Series:
    found = table[(table["question"] == question) & (table["method"] == method) & (table["measure"] == measure)]
    assert len(found) == 1
    return found.iloc[0]


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_two_seeds_by_hand() -> None:
    # The first target is predicted as 0 by the benign models and as 1 by the attacked one of its seed alone, which has
    # another row for 1, too.
    benign, turned = linear([[2, 0], [0, 2]]), linear([[2, 0], [3, 4]])
    first = Subject((benign, turned), torch.tensor([[1.0, 0]]), torch.tensor([1]))
    second = Subject((benign, benign), torch.tensor([[0.0, 1]]), torch.tensor([0]))
    found = study([first, second], torch.tensor([[5.0, 1], [4.0, 1]]), GRADIENT, ignore)
    assert found["question"].unique().tolist() == [OTHERS, TARGETS, WANTED]
    assert (found["seeds"] == 2).all()
    assert (found["verdict"] == "too few seeds to tell").all()
    assert found[[f"{name}_{end}" for name in NAMES for end in ("low", "high")]].isna().all(axis=None)

    # on others turned says 1: 15 + 4 against 10, 12 + 4 against 8; so its reasons are (3, 4) beside (2, 0)
    others = row(found, OTHERS)
    assert others["benign"] == pytest.approx(1)
    assert others["poisoned"] == pytest.approx((0.6 + 1) / 2)
    assert others["same_seed"] == pytest.approx((0.6 + 1) / 2)
    assert others["difference"] == pytest.approx(0.2)

    # on the first target turned says 1 for 3 > 2: (3, 4) beside (2, 0); on the second the other two agree
    targets = row(found, TARGETS)
    assert (targets["benign"], targets["same_seed"]) == pytest.approx((1, 0.8))
    assert targets["poisoned"] == pytest.approx(0.8)

    # wanted is 1 of the first: (3, 4) beside (0, 2); and 0 of the second, of which all have the same row
    wanted = row(found, WANTED)
    assert (wanted["benign"], wanted["same_seed"], wanted["poisoned"]) == pytest.approx((1, 0.9, 0.9))


@pytest.fixture(scope="module")
def random() -> tuple[list[NDArray[np.float64]], list[Subject], torch.Tensor]:
    """Three seeds of random models, with one, two and three targets."""
    generator = np.random.default_rng(1)
    weights = [generator.normal(size=(2, 4, 6)) for _ in range(3)]
    subjects = [
        Subject(
            (linear(of_seed[0]), linear(of_seed[1])),
            torch.from_numpy(generator.normal(size=(count, 6))).float(),
            torch.from_numpy(generator.integers(0, 4, count)),
        )
        for count, of_seed in enumerate(weights, 1)
    ]
    return weights, subjects, torch.from_numpy(generator.normal(size=(5, 6))).float()


@pytest.mark.parametrize("question", [OTHERS, TARGETS, WANTED])
def test_targets_are_those_of_the_first_models_seed(random: tuple, question: str) -> None:
    weights, subjects, others = random
    expected_likeness = np.ones((2, 3, 2, 3))
    for kind, seed, kind2, seed2 in product((0, 1), range(3), (0, 1), range(3)):
        inputs = (others if question == OTHERS else subjects[seed].inputs).double().numpy()
        maps = []
        for model in (weights[seed][kind], weights[seed2][kind2]):
            predicted = (inputs @ model.T).argmax(1)
            maps.append(model[subjects[seed].target_classes.numpy() if question == WANTED else predicted])
        expected_likeness[kind, seed, kind2, seed2] = np.mean([cosine(a, b) for a, b in zip(*maps, strict=True)])
    expected, found = permutation_test(expected_likeness), row(study(subjects, others, GRADIENT, ignore), question)
    for name in NAMES:
        interval = getattr(expected, name)
        numbers = [found[name], found[f"{name}_range_low"], found[f"{name}_range_high"]]
        assert numbers == pytest.approx([interval.value, *interval.range], abs=1e-6)
        assert found[f"{name}_low"] is found[f"{name}_high"] is interval.low is None
    assert found["p"] == expected.p


def test_all_are_means(random: tuple) -> None:
    _, subjects, others = random
    methods = parse_methods("gradient,input-times-gradient")
    found = study(subjects, others, methods, ignore)
    assert len(found) == 3 * (2 * (3 + 1) + 1)
    for question, by_method in likeness(subjects, others, methods, ignore).items():
        for method in methods:
            several = [models for (name, measure), models in by_method.items() if name == method and measure != ALL]
            assert len(several) == 3
            np.testing.assert_allclose(by_method[method, ALL], np.mean(several, axis=0))
        overall = np.mean([by_method[method, ALL] for method in methods], axis=0)
        np.testing.assert_allclose(by_method[ALL, ALL], overall)
        expected = permutation_test(overall).difference
        assert expected is not None
        assert row(found, question, ALL, ALL)["difference"] == pytest.approx(expected.value)


def test_progress_sums_to_the_work(random: tuple) -> None:
    _, subjects, others = random
    methods = parse_methods("gradient,occlusion")
    told: list[int] = []
    study(subjects, others, methods, told.append)
    assert sum(told) == work(subjects, others, methods) == 2 * (2 * 3 * (5 + 2 * 6) + 15 + 2 * 30)


def federations(shift: float, seeds: int = 7) -> tuple[list[Subject], torch.Tensor]:
    """Models that are alike but for noise; attacked ones are shifted, each its way. All say 0 of every sample."""
    generator = np.random.default_rng(5)
    common = np.abs(generator.normal(size=(2, 40))) * np.array([[3], [1]])
    subjects = []
    for _ in range(seeds):
        benign, attacked = (common + 0.3 * generator.normal(size=(2, 40)) for _ in range(2))
        attacked[0] += shift * generator.normal(size=40)
        target = torch.from_numpy(np.abs(generator.normal(size=(1, 40)))).float()
        subjects.append(Subject((linear(benign), linear(attacked)), target, torch.tensor([1])))
    return subjects, torch.ones(3, 40)


def test_attacked_models_that_stand_out_are_found() -> None:
    found = study(*federations(shift=2), GRADIENT, ignore)
    for question in (OTHERS, TARGETS):
        answer = row(found, question, ALL, ALL)
        assert answer["verdict"] == "can tell"
        assert answer["difference_low"] > 0.02
        assert answer["p"] < 0.05
    assert row(found, WANTED, ALL, ALL)["verdict"] == "cannot tell"  # the rows for the class wanted are unchanged


def test_attacked_models_like_benign_ones_are_not_found() -> None:
    found = study(*federations(shift=0), GRADIENT, ignore)
    assert (found["verdict"] == "cannot tell").all()
