"""Somebody's rules beside ours: right ones agree in every case, and known mistakes are found."""

from collections import Counter
from functools import partial
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from helpers.calling import called
from numpy.typing import NDArray

from fedlens import Conformance, conform
from fedlens.core.errors import ConfigError
from fedlens.defences import Median, TrimmedMean
from fedlens.studies.conformance.conforming import cases
from fedlens.studies.conformance.hand_values import HAND
from fedlens.studies.conformance.reference import answers, method, methods, same

Rows = NDArray[np.float64]


def trimmed_mean(updates: Rows, f: int) -> Rows:
    return np.sort(updates, axis=0)[f : len(updates) - f].mean(axis=0)


def trimmed_by_share(updates: Rows) -> Rows:
    """A tenth at each end, which for fewer than ten updates is none, so that nothing is left of the slice."""
    cut = int(0.1 * len(updates))
    left = np.sort(updates, axis=0)[cut:-cut]
    return left.mean(axis=0) if len(left) else np.zeros(updates.shape[1])


def krum_scores(updates: Rows, f: int, power: float) -> list[float]:
    apart = ((updates[:, None] - updates) ** 2).sum(axis=2) ** (power / 2)
    count = max(len(updates) - f - 2, 1)
    return [float(np.sort(np.delete(row, place))[:count].sum()) for place, row in enumerate(apart)]


def krum(updates: Rows, f: int) -> Rows:
    return updates[int(np.argmin(krum_scores(updates, f, 2)))]


def krum_of_plain_distances(updates: Rows, f: int) -> Rows:
    return updates[int(np.argmin(krum_scores(updates, f, 1)))]


def bulyan(updates: Rows, f: int, *, shrunken: bool = False) -> Rows:
    """Krum again and again, then the mean of those next to the median; `shrunken` indexes what is left."""
    left, chosen = list(range(len(updates))), []
    for _ in range(len(updates) - 2 * f):
        best = int(np.argmin(krum_scores(updates[left], f, 2)))
        chosen.append(best if shrunken else left[best])
        del left[best]
    selected = updates[chosen]
    nearest = np.argsort(np.abs(selected - np.median(selected, axis=0)), axis=0, kind="stable")
    return np.take_along_axis(selected, nearest[: len(chosen) - 2 * f], axis=0).mean(axis=0)


def bulyan_of_the_shrunken(updates: Rows, f: int) -> Rows:
    return bulyan(updates, f, shrunken=True)


class FoolsGold:
    """Histories by client, as they should be, or by row."""

    by_row = False

    def __init__(self) -> None:
        self.histories: dict[int, Rows] = {}

    def __call__(self, updates: Rows, clients: list[int]) -> Rows | None:
        keys = list(range(len(updates))) if self.by_row else clients
        for key, update in zip(keys, updates, strict=True):
            self.histories[key] = self.histories.get(key, np.zeros_like(update)) + update
        known = np.stack([self.histories[key] for key in keys])
        lengths = np.linalg.norm(known, axis=1, keepdims=True)
        directions = known / np.where(lengths > 0, lengths, 1)
        cosines = directions @ directions.T
        np.fill_diagonal(cosines, 0)
        cosines[cosines > 1 - 1e-12] = 1
        top = cosines.max(axis=1)
        cosines *= np.minimum(1, np.divide(top[:, None], top, out=np.ones_like(cosines), where=top > 0))
        trust = np.clip(1 - cosines.max(axis=1), 0, 1)
        if not trust.any():
            return None
        trust = np.where(trust == trust.max(), 0.99, trust / trust.max())
        with np.errstate(divide="ignore"):
            weights = np.clip(np.log(trust / (1 - trust)) + 0.5, 0, 1)
        result: Rows = weights @ updates / weights.sum()
        return result


class FoolsGoldByRow(FoolsGold):
    by_row = True


def forgetful(updates: Rows, clients: list[int]) -> Rows | None:
    return FoolsGold()(updates, clients)


def against(found: Conformance) -> list[str]:
    return [finding.case for finding in found.findings if not finding.conforms]


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (trimmed_mean, "trimmed-mean"),
        (lambda updates: np.median(updates, axis=0), "median"),
        (krum, "krum"),
        (krum_of_plain_distances, "krum-authors"),
        (bulyan, "bulyan"),
        (FoolsGold, "foolsgold"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_right_agrees_in_every_case(rule: object, name: str) -> None:
    found = conform(rule, name)
    assert [(finding.case, finding.words) for finding in found.findings if not finding.conforms] == []
    assert len(found.findings) > 15


def test_a_trimmed_mean_that_is_zero_below_ten_is_found() -> None:
    found = against(conform(trimmed_by_share, "trimmed-mean"))
    assert {"by hand: of 0, 1, 2, 10 without the ends", "drawn: n = 8, f = 1"} <= set(found)


def test_plain_distances_are_found() -> None:
    assert "by hand: plain distances would choose 24" in against(conform(krum_of_plain_distances, "krum"))


def test_a_bulyan_that_indexes_what_is_left_is_found() -> None:
    assert "drawn: n = 24, f = 3" in against(conform(bulyan_of_the_shrunken, "bulyan"))


def test_histories_by_row_are_found_as_soon_as_cohorts_change() -> None:
    assert against(conform(FoolsGoldByRow, "foolsgold")) == ["four rounds, other clients in each"]


def test_no_history_is_found_as_soon_as_there_are_two_rounds() -> None:
    found = against(conform(forgetful, "foolsgold"))
    assert found == ["three rounds, the same clients", "four rounds, other clients in each"]


def fltrust(updates: Rows, root: Rows, *, relu: bool = True, normalised: bool = True) -> Rows | None:
    """The paper's, or without its ReLU, or without bringing updates to the root update's length."""
    lengths = np.linalg.norm(updates, axis=1)
    size = float(np.linalg.norm(root))
    cosines = updates @ root / np.where(lengths * size > 0, lengths * size, 1)
    trust = np.maximum(cosines, 0) if relu else cosines
    if not trust.any():
        return None
    rows = updates * (size / np.where(lengths > 0, lengths, 1))[:, None] if normalised else updates
    return trust @ rows / trust.sum()  # type: ignore[no-any-return]


def test_an_fltrust_that_is_not_as_published_is_found() -> None:
    assert conform(fltrust, "fltrust").conforms
    by_hand = "by hand: cosines 1, 0, -1 and 0.6 with (1, 0)"
    assert by_hand in against(conform(lambda updates, root: fltrust(updates, root, relu=False), "fltrust"))
    assert by_hand in against(conform(lambda updates, root: fltrust(updates, root, normalised=False), "fltrust"))
    assert by_hand in against(
        conform(lambda updates, server: updates.mean(axis=0), "fltrust", names={"root": "server"})
    )


def test_weights_that_are_asked_for_and_ignored_are_found() -> None:
    """Samples 1 to 7, so that weights are 1/28 to 7/28; who does not ask for them gets no such case."""
    assert conform(lambda updates, weights: weights @ updates, "mean").conforms
    assert against(conform(lambda updates, weights: updates.mean(axis=0), "mean")) == ["unequal weights: n = 7"]
    assert conform(lambda updates: updates.mean(axis=0), "mean").conforms
    assert against(conform(lambda updates, weights: weights @ updates, "median"))[-1] == "unequal weights: n = 7"
    assert against(conform(EvenMean, "mean")) == ["unequal weights: n = 7"]


class EvenMean:
    def __call__(self, updates: Rows, weights: Rows) -> Rows:
        mean: Rows = updates.mean(axis=0)
        return mean


def test_a_lower_precision_is_said() -> None:
    first = conform(lambda updates: updates.mean(axis=0).astype(np.float32), "mean").findings[0]
    assert first.words == "returned numbers of float32, and the updates are of float64: let it keep their type"


def test_components_of_ours_are_taken_as_they_are() -> None:
    assert conform(Median, "median").conforms
    assert conform("fedlens.defences:TrimmedMean", "trimmed-mean").conforms
    found = conform(TrimmedMean(f=1), "median")
    assert not found.conforms


def test_options_have_other_names_or_one_value() -> None:
    def mine(updates: Rows, num_byzantine: int) -> Rows:
        return trimmed_mean(updates, num_byzantine)

    assert conform(mine, "trimmed-mean", names={"f": "num_byzantine"}).conforms
    with pytest.raises(ConfigError, match=r"needs num_byzantine.*--name f=num_byzantine"):
        conform(mine, "trimmed-mean")
    fixed = conform(lambda updates: trimmed_mean(updates, 2), "trimmed-mean", options={"f": 2})
    assert fixed.conforms
    assert {finding.case.rpartition("f = ")[2] for finding in fixed.findings if "f = " in finding.case} == {"2"}


@pytest.mark.parametrize(
    ("rule", "outcome", "words"),
    [
        (lambda updates: 1 // 0, "fails", "ZeroDivisionError"),
        (lambda updates: "none", "fails", "returned str"),
        (lambda updates: updates[0, :-1], "fails", "shape [0]; [1] is right"),
        (lambda updates: None, "refuses", "it returned None; 3.25 is right"),
        (lambda updates: updates.mean(axis=0) + np.nan, "differs", "3.25 is right, and it says nan"),
    ],
)
def test_what_is_no_answer_is_said(rule: object, outcome: str, words: str) -> None:
    finding = conform(rule, "mean").findings[0]
    assert (finding.outcome, words in finding.words) == (outcome, True)


def test_tensors_are_given_to_whoever_imports_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in_torch.py").write_text(
        "import torch\n\ndef middle(updates):\n    return updates.quantile(0.5, dim=0)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert conform("in_torch:middle", "median").conforms


def test_what_it_does_to_its_updates_and_generators_is_nobody_else_s() -> None:
    before = np.random.get_state()[1][0]  # noqa: NPY002

    def careless(updates: Rows) -> Rows:
        mean = updates.mean(axis=0)
        updates[:] = np.random.normal(size=updates.shape)  # noqa: NPY002
        return mean

    found = conform(careless, "mean")
    assert against(found) == ["the updates, afterwards"]
    assert "let it work on updates.copy()" in found.findings[-1].words
    assert np.random.get_state()[1][0] == before  # noqa: NPY002


@pytest.mark.parametrize("name", sorted(HAND))
def test_ours_makes_what_was_computed_by_hand(name: str) -> None:
    for case in HAND[name]:
        assert case.right is not None
        for right, answer in zip(case.right, answers(method(name, case.options), case.rounds), strict=True):
            np.testing.assert_allclose(answer, right, rtol=1e-12, atol=1e-12, err_msg=case.name)


def test_every_method_has_cases_unless_it_draws() -> None:
    counts = Counter({name: len(list(cases(name))) for name in methods()})
    assert min(counts[name] for name in ("krum", "median", "nnm", "foolsgold", "fedavgm", "clip", "norm-filter")) > 8


def test_a_filter_may_say_which_rows_it_keeps() -> None:
    def mask(updates: Rows) -> NDArray[np.bool_]:
        lengths = np.linalg.norm(updates, axis=1)
        limits: NDArray[np.bool_] = lengths <= 3 * max(float(np.median(lengths)), 1e-7)
        return limits

    assert against(conform(mask, "norm-filter")) == []
    assert against(conform(lambda updates: np.flatnonzero(mask(updates)), "norm-filter")) == []
    assert against(conform(lambda updates: updates, "norm-filter")) == ["one entry: n = 7"]


def test_attacks_on_updates_are_tried_on_the_honest_ones() -> None:
    def min_sum(updates: Rows, direction: str, bound: str) -> Rows:
        mean = updates.mean(axis=0)
        away = {"unit": -mean / (np.linalg.norm(mean) or 1), "sign": -np.sign(mean), "std": -updates.std(axis=0)}[
            direction
        ]
        sums = ((updates[:, None] - updates) ** 2).sum(axis=(1, 2))
        room = (sums.max() if bound == "max" else sums.min()) - ((updates - mean) ** 2).sum()
        length = len(updates) * (away**2).sum()
        sent: Rows = mean + np.sqrt(max(room, 0) / length) * away if length else mean
        return sent

    assert against(conform(min_sum, "min-sum")) == []
    wrong = conform(lambda updates: -updates.mean(axis=0), "inner-product-manipulation")
    assert wrong.findings[0].words == "(-1, -0.5) is right, and it says (-2, -1)"


def test_an_attack_that_computes_its_own_z_is_put_to_cases_with_that() -> None:
    def little(updates: Rows, attackers: int, needed: int) -> Rows:
        supporters = max((len(updates) + attackers) // 2 + needed - attackers, 1)
        share = (len(updates) - supporters) / len(updates)
        z = NormalDist().inv_cdf(share) if 0 < share < 1 else 0
        sent: Rows = updates.mean(axis=0) - z * updates.std(axis=0)
        return sent

    right, wrong = (
        conform(partial(little, needed=needed), "a-little-is-enough", arrays="numpy", options={"z": "auto"})
        for needed in (1, 2)
    )
    assert against(right) == []
    assert "drawn: n = 10, z = auto" in against(wrong)


def test_one_other_answer_is_counted_as_one() -> None:
    found = conform(lambda updates: updates[0], "trimmed-mean", options={"f": 1})
    [words] = [finding.words for finding in found.findings if finding.case == "one entry: n = 7, f = 1"]
    assert "is right (or 1 other), and it says" in words


def test_answers_are_the_same_only_to_the_last_bit() -> None:
    assert not same(np.zeros((1, 1)), np.full((1, 1), 1e-300))


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "middles.py").write_text(
        "import numpy as np\n\ndef middle(updates):\n    return np.median(updates, axis=0)\n\n"
        "def upper(updates):\n    return np.sort(updates, axis=0)[len(updates) // 2]\n"
    )
    monkeypatch.chdir(tmp_path)
    code, printed, _ = called(capsys, "conform", "middles:middle", "--as", "median")
    assert (code, "middles:middle agrees with median in all" in printed) == (0, True)
    code, printed, remark = called(capsys, "conform", "middles:upper", "--as", "median", "--json", "found.json")
    assert code == 1
    assert "1.5 is right, and it says 2" in " ".join(printed.split())
    assert "middles:upper agrees with median in" in remark
    assert '"outcome": "differs"' in (tmp_path / "found.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["numpy:median", "--as", "medain"], "--as: there is no 'medain'; did you mean median?"),
        (["numpy:median", "--as", "flame"], "--as: there are no cases for flame, only for flame-filter"),
        (
            ["numpy:median", "--as", "fang-krum"],
            "--as: there are no cases for fang-krum, only for a-little-is-enough, ",
        ),
        (["numpy:median", "--as", "krum", "-o", "f=two"], "f: a whole number is needed, not 'two'"),
        (["rules", "--as", "median"], "names no module and function"),
        (["nowhere:rule", "--as", "median"], "cannot be imported"),
        (["numpy:medain", "--as", "median"], "has no 'medain'; did you mean numpy:median?"),
        (["numpy:pi", "--as", "median"], "cannot be called"),
        (["numpy:mean", "--as", "median", "--name", "f"], "as in --name f=num_byz"),
    ],
)
def test_mistakes_are_answered(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, remark = called(capsys, "conform", *arguments)
    assert code == 2
    assert words in " ".join(remark.split())
