import pytest
import torch
from helpers.received import apply, column, normal, shares

from fedlens.defences.krum import Krum, KrumAuthors, MultiKrum, krum_scores

# Distances on the line 0, 1, 3, 6, 100; with f = 1, n - f - 2 = 2 neighbours count.
LINE = column(0, 1, 3, 6, 100)
SQUARED = [1 + 9, 1 + 4, 4 + 9, 9 + 25, 94**2 + 97**2]
SQUARED_THREE = [1 + 9 + 36, 1 + 4 + 25, 4 + 9 + 9, 9 + 25 + 36, 94**2 + 97**2 + 99**2]
PLAIN = [1 + 3, 1 + 2, 2 + 3, 3 + 5, 94 + 97]

# Here 0 has the neighbours -2 and 2, and 4.9 has 5.4 and 2: 4 + 4 < 0.25 + 8.41, but 2 + 2 > 0.5 + 2.9.
UNEVEN = column(-2, 0, 2, 4.9, 5.4)

# The same line in the weights; the biases move the second update away, so that 3 is nearest to 0 and 6: 9 + 9.
BIASED = torch.cat([LINE, column(0, 50, 0, 0, 0)], dim=1)


def test_scores_by_hand() -> None:
    assert krum_scores(LINE, 1).tolist() == pytest.approx(SQUARED)
    assert krum_scores(LINE, 1, squared=False).tolist() == pytest.approx(PLAIN)
    assert krum_scores(LINE, 1, neighbours="n-f-1").tolist() == pytest.approx(SQUARED_THREE)


def test_krum_by_hand() -> None:
    aggregate = apply(Krum(f=1), LINE)
    assert aggregate.update.tolist() == [1]
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == [0, 1, 0, 0, 0]
    assert aggregate.state == {}


def test_one_neighbour_more_chooses_another() -> None:
    assert apply(Krum(f=1, neighbours="n-f-1"), LINE).update.tolist() == [3]


def test_plain_distances_choose_another() -> None:
    assert apply(Krum(f=1), UNEVEN).update.tolist() == [0]
    assert apply(Krum(f=1, squared=False), UNEVEN).update.tolist() == [4.9]


def test_without_biases_another_is_chosen_and_applied_whole() -> None:
    assert apply(Krum(f=1), BIASED, biases=1).update.tolist() == [3, 0]
    assert apply(Krum(f=1, include_biases=False), BIASED, biases=1).update.tolist() == [1, 50]


def test_the_authors_variant_takes_plain_distances_to_two_neighbours_without_biases() -> None:
    updates = torch.cat([UNEVEN, column(0, 0, 0, 50, 0)], dim=1)
    aggregate = apply(KrumAuthors(f=1), updates, biases=1)
    assert aggregate.update.tolist() == [4.9, 50]
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == [0, 0, 0, 1, 0]
    assert apply(KrumAuthors(f=1), LINE).update.tolist() == [1]


@pytest.mark.parametrize("rule", [Krum(f=0), KrumAuthors(f=0)])
def test_equal_scores_go_to_the_lowest_index(rule: Krum | KrumAuthors) -> None:
    assert apply(rule, column(5, 1, 0)).update.tolist() == [1]
    assert apply(rule, column(0, 5, 1)).update.tolist() == [0]


def test_the_update_is_a_copy() -> None:
    updates = LINE.clone()
    for rule in (Krum(f=1), MultiKrum(f=1, m=1)):
        apply(rule, updates).update.fill_(7)
    assert torch.equal(updates, LINE)


def test_multi_krum_by_hand() -> None:
    aggregate = apply(MultiKrum(f=1), LINE)
    assert aggregate.update.tolist() == [(0 + 1 + 3 + 6) / 4]
    assert aggregate.shares is not None
    assert aggregate.shares.tolist() == [0.25, 0.25, 0.25, 0.25, 0]
    assert apply(MultiKrum(f=1, m=2), LINE).update.tolist() == [(0 + 1) / 2]
    assert apply(MultiKrum(f=1, m=5), LINE).update.tolist() == pytest.approx([22])


def test_multi_krums_options() -> None:
    assert shares(MultiKrum(f=1, m=2, neighbours="n-f-1"), LINE).tolist() == [0, 0.5, 0.5, 0, 0]
    assert shares(MultiKrum(f=1, m=1, squared=False), UNEVEN).tolist() == [0, 0, 0, 1, 0]
    biased = apply(MultiKrum(f=1, m=1, include_biases=False), BIASED, biases=1)
    assert biased.update.tolist() == [1, 50]


def test_multi_krums_equal_scores_go_to_the_lowest_indices() -> None:
    """With two neighbours, 1 and 10 score 1 + 81 each, and 0 and 11 score 1 + 100 each."""
    assert shares(MultiKrum(f=0, m=3), column(0, 1, 10, 11)).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert shares(MultiKrum(f=0, m=1), column(0, 10, 1, 11)).tolist() == [0, 1, 0, 0]


def test_multi_krum_of_one_is_krum() -> None:
    for seed in range(20):
        updates = normal(seed, 9, 4)
        assert torch.equal(apply(MultiKrum(f=3, m=1), updates).update, apply(Krum(f=3), updates).update)


def test_multi_krum_cannot_choose_more_than_there_are() -> None:
    assert MultiKrum(f=1, m=9).minimum == 9
    with pytest.raises(ValueError, match=r"^multi-krum cannot choose m = 9 of 5 updates$"):
        apply(MultiKrum(f=1, m=9), LINE)


@pytest.mark.parametrize("rule", [Krum, KrumAuthors, MultiKrum])
def test_colluders_who_send_the_same_update_are_not_chosen(rule: type[Krum | KrumAuthors | MultiKrum]) -> None:
    updates = normal(0, 9, 50)
    updates[[0, 4, 7]] = 100.0
    assert shares(rule(f=3), updates)[[0, 4, 7]].tolist() == [0, 0, 0]
