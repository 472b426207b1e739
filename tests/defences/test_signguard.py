import numpy as np
import pytest
import torch
from helpers.received import column, equal, normal
from helpers.staged import server, staged
from torch import Tensor

from fedlens.core.errors import ConfigError
from fedlens.defences.chain import Chain
from fedlens.defences.median_clip import MedianClip
from fedlens.defences.server_step import Step, server_step
from fedlens.defences.signguard import SignGuard
from fedlens.defences.signguard_filter import SignGuardFilter, largest_cluster, sign_shares
from fedlens.defences.stage import State, Updates
from fedlens.experiment.experiment import Experiment


def flagged(rows: Tensor, state: State | None = None, **options: object) -> list[int]:
    """Who is flagged."""
    _, _, report = staged(SignGuardFilter(**options), rows, state=state)  # type: ignore[arg-type]
    assert report.flagged is not None
    assert report.scores is not None
    assert bool(report.scores.isfinite().all())
    return report.flagged.nonzero().flatten().tolist()


def step(rows: Tensor, stage: object = "signguard") -> Step:
    """What a server makes of rows of equal weights."""
    chain, at_hand = Chain.of([stage]).whole, server(*rows.shape)
    states = [each.init(at_hand.layout) for each in chain]
    return server_step(chain, Updates.received(rows, equal(len(rows))), at_hand, states)


def test_lengths_by_hand() -> None:
    """Of 1, 2, 3 and 100 the median is 2.5: 100 is above 7.5; what is left is clipped to 2.5."""
    rows = column(1, 2, 3, 100)
    assert flagged(rows) == [3]
    assert flagged(column(0.2, 2, 3, 2.5)) == [0]
    assert flagged(rows, upper=40.0) == []
    done = step(rows)
    assert done.update.tolist() == pytest.approx([(1 + 2 + 2.5) / 3])
    assert done.effective_weights is not None
    assert done.effective_weights.tolist() == pytest.approx([1 / 3, 1 / 3, 2.5 / 3 / 3, 0])
    assert [judgement.dropped for judgement in done.judgements] == [(3,), (), ()]


@pytest.mark.parametrize(
    ("lengths", "scores", "relative"),
    [
        ((1, 2, 3, 100), [0, 0, 0, 100 / 7.5 - 1], [0.4, 0.8, 1.2, 40]),
        ((0.2, 2, 3, 2.5), [0.225 / 0.2 - 1, 0, 0, 0], [0.2 / 2.25, 2 / 2.25, 3 / 2.25, 2.5 / 2.25]),
        ((0, 2, 2, 2), [2**0.5 + 1e6 - 1, 0, 0, 0], [0, 1, 1, 1]),
        ((0, 0, 0, 2), [0, 0, 0, 2**0.5 + 1e6 - 1], [1, 1, 1, 1e6]),
    ],
)
def test_scores_by_hand(lengths: tuple[float, ...], scores: list[float], relative: list[float]) -> None:
    """Features are (1, 0, 0), and (0, 1, 0) of zeros; in the bounds, lengths add nothing."""
    _, kept, report = staged(SignGuardFilter(), column(*lengths))
    assert report.scores is not None
    assert report.scores.tolist() == pytest.approx(scores)
    assert report.details["relative_length"] == pytest.approx(relative)
    assert kept == State()


@pytest.mark.parametrize(
    ("variant", "scores"), [("sim", [0, 0, 0, 0.04]), ("dist", [0, 1, 0, 2**0.5 / 5]), ("plain", [0, 0, 0, 0])]
)
def test_comparisons_with_the_last_step_by_hand(variant: str, scores: list[float]) -> None:
    """The step is (3, 4): of (4, 3) the cosine is 24/25; distances are 0, 5, 0 and √2; the first and third agree."""
    rows, step_back = torch.tensor([[3.0, 4], [6, 8], [3, 4], [4, 3]]), State({"weights": torch.tensor([-3.0, -4.0])})
    _, _, report = staged(SignGuardFilter(variant=variant, share=1), rows, state=step_back)  # type: ignore[arg-type]
    assert report.scores is not None
    assert report.scores.tolist() == pytest.approx(scores)


def test_bounds_are_inclusive() -> None:
    """The median is 2."""
    assert flagged(column(1, 2, 2, 2, 4), lower=0.5, upper=2.0) == []
    assert flagged(column(0.99, 2, 2, 2, 4.01), lower=0.5, upper=2.0) == [0, 4]


def test_one_entry_is_counted_at_least() -> None:
    """Of either, the signs of 1 and -1 differ; those of both entries together would not."""
    _, _, report = staged(SignGuardFilter(share=0.1), torch.tensor([[1.0, -1], [1, -1], [-1, 1]]))
    assert report.scores is not None
    assert report.scores.tolist() == pytest.approx([2**0.5 / 3, 2**0.5 / 3, 2**0.5 * 2 / 3])


def test_clipping_alone_is_to_the_median_of_what_it_gets() -> None:
    left, _, report = staged(MedianClip(), column(1, -2, 3, 100))
    assert left.rows.flatten().tolist() == [1, -2, 2.5, 2.5]
    assert report.details["clipped"] == [0, 0, 1, 1]
    assert staged(MedianClip(), column(0, 0, 5))[0].rows.flatten().tolist() == [0, 0, 0]
    assert staged(MedianClip(), column(0))[0].rows.flatten().tolist() == [0]


def test_shares_of_signs_by_hand() -> None:
    rows = torch.tensor([[1.0, 0, -2, 3], [0, 0, 0, -1]])
    assert sign_shares(rows, None).tolist() == [[0.5, 0.25, 0.25], [0, 0.75, 0.25]]
    assert sign_shares(rows, torch.tensor([True, True, False, False])).tolist() == [[0.5, 0.5, 0], [0, 1, 0]]
    wide = normal(0, 70, 9_000).round().float()
    mask = torch.arange(9_000) % 3 == 0
    chosen = wide.numpy()[:, ::3]
    counted = np.stack([(chosen > 0).mean(axis=1), (chosen == 0).mean(axis=1), (chosen < 0).mean(axis=1)], axis=1)
    np.testing.assert_allclose(sign_shares(wide, mask).numpy(), counted)


def test_the_largest_cluster_by_hand() -> None:
    features = torch.tensor([[0.9], [0.0], [0.01], [0.02], [0.0], [0.02], [0.91]], dtype=torch.float64)
    inner = [False, True, True, True, True, True, False]
    assert largest_cluster(features, "dbscan").tolist() == inner
    assert largest_cluster(features, "mean-shift").tolist() == inner
    assert largest_cluster(torch.tensor([[0.0], [1.0]]), "dbscan").tolist() == [True, True]  # it finds none
    for places, members in (
        ([0.0, 0.05, 0.5], [True, True, False]),  # two are enough
        ([0.0, 0.06, 0.5], [True, True, True]),  # none is near enough
        ([0.0, 0.01, 0.02, 0.9, 0.91], [True, True, True, False, False]),  # the first is the largest
    ):
        assert largest_cluster(torch.tensor(places, dtype=torch.float64)[:, None], "dbscan").tolist() == members
    assert largest_cluster(torch.ones(1, 3), "mean-shift").tolist() == [True]


@pytest.mark.parametrize("clustering", ["mean-shift", "dbscan"])
def test_flipped_signs_are_noticed_and_kept_ones_are_not(clustering: str) -> None:
    """Honest updates are positive in seven of ten entries. Attackers turn theirs round, or shrink them."""
    honest = (torch.rand(8, 4_000, generator=torch.Generator().manual_seed(0)) - 0.3).double()
    flipped = torch.cat([honest, -honest[:2]])
    assert {8, 9} <= set(flagged(flipped, clustering=clustering, share=1.0)) <= {8, 9}
    weak = torch.cat([honest, 0.2 * honest[:2]])
    assert flagged(weak, clustering="dbscan", share=1.0) == []


@pytest.mark.parametrize("variant", ["sim", "dist"])
def test_variants_also_compare_with_the_last_step(variant: str) -> None:
    """Both groups have as many positive as negative entries, but one goes against the last step."""
    forward = torch.tensor([1.0, -1.0] * 8, dtype=torch.float64)
    rows = torch.cat([forward.repeat(6, 1), -forward.repeat(3, 1)])
    state = State({"weights": -forward})  # the server's weights are 0 now: the last step was forward
    assert flagged(rows, share=1.0) == []
    assert flagged(rows, state, variant=variant, share=1.0) == [6, 7, 8]
    assert flagged(rows, variant=variant, share=1.0) == []  # in the first round
    _, kept, _ = staged(SignGuardFilter(variant=variant), rows, state=state)  # type: ignore[arg-type]
    assert kept.tensors["weights"].tolist() == [0.0] * 16
    unmoved = State({"weights": torch.zeros(16).double()})
    assert flagged(rows, unmoved, variant=variant, share=1.0) == []
    assert flagged(forward.repeat(4, 1), state, variant=variant, share=1.0) == []
    zero = torch.cat([0 * forward[None], forward.repeat(3, 1)])
    assert flagged(zero, state, variant=variant, share=1.0) == [0]


@pytest.mark.parametrize("clustering", ["mean-shift", "dbscan"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("value", [0.0, 1e-300, 1.0, 1e300])
def test_nobody_is_flagged_where_all_agree(clustering: str, count: int, value: float) -> None:
    assert flagged(torch.full((count, 4), value, dtype=torch.float64), clustering=clustering) == []


def test_zeros_are_odd_among_others_and_others_among_zeros() -> None:
    assert flagged(column(0, 1, 1, 1), share=1.0) == [0]
    assert flagged(column(0, 0, 0, 1), share=1.0) == [3]


def test_options() -> None:
    with pytest.raises(ConfigError, match=r"^aggregation: .*lower = 3 has to be below upper = 2; e.g. 0.1 and 3"):
        Experiment(aggregation={"name": "signguard", "lower": 3, "upper": 2})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^aggregation.share: "):
        Experiment(aggregation={"name": "signguard", "share": 0})  # type: ignore[arg-type]
    filter_, _, _ = SignGuard(variant="sim", action="observe", share=0.5).stages()
    assert filter_ == SignGuardFilter(variant="sim", action="observe", share=0.5)
    observed = step(column(1, 2, 3, 100), SignGuard(action="observe"))
    assert observed.update.tolist() == pytest.approx([(1 + 2 + 2.5 + 2.5) / 4])
