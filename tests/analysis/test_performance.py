import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from fedlens.analysis.detection import Performance, performance

YES, NO = True, False


def test_two_rounds_by_hand() -> None:
    attacked = ([0.1, 0.9, 0.5], [NO, YES, YES], [NO, YES, NO])
    clean = ([0.2, 0.95, 0.3], [NO, YES, NO], [NO, NO, NO])
    found = performance([attacked, clean])
    assert found == Performance(
        attacking=1,
        honest=5,
        caught=1,
        false_alarms=2,
        precision=1 / 3,
        recall=1.0,
        false_positive_rate=2 / 5,
        roc_auc=4 / 5,  # 0.9 is above 0.1, 0.5, 0.2 and 0.3, below 0.95
    )


def test_equal_scores_count_half() -> None:
    assert performance([([1.0, 1.0, 0.0], [NO] * 3, [YES, NO, NO])]).roc_auc == 0.75


def test_without_guilty_clients_only_false_alarms_are_defined() -> None:
    found = performance([([0.1, 0.2], [YES, NO], [NO, NO])])
    assert (found.precision, found.recall, found.roc_auc) == (None, None, None)
    assert found.false_positive_rate == 0.5


def test_without_flags_there_is_no_precision() -> None:
    found = performance([([0.1, 0.2], [NO, NO], [NO, YES])])
    assert (found.precision, found.recall, found.false_positive_rate, found.roc_auc) == (None, 0, 0, 1)


def test_without_innocent_clients_there_is_no_false_positive_rate() -> None:
    found = performance([([0.1], [YES], [YES])])
    assert (found.precision, found.recall, found.false_positive_rate, found.roc_auc) == (1, 1, None, None)


def test_without_rounds_nothing_is_defined() -> None:
    assert performance([]) == Performance(0, 0, 0, 0, None, None, None, None)


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        performance([([0.1, 0.2], [YES], [YES, NO])])


clients = st.tuples(st.integers(-3, 3).map(float), st.booleans(), st.booleans())


@settings(max_examples=30)
@given(st.lists(st.lists(clients, min_size=1, max_size=5), max_size=5))
def test_ratios_are_scikit_learns(rounds: list[list[tuple[float, bool, bool]]]) -> None:
    found = performance(tuple(map(list, zip(*round_, strict=True))) for round_ in rounds)  # type: ignore[misc]
    everyone = [client for round_ in rounds for client in round_]
    scores, flagged, guilty = ([client[place] for client in everyone] for place in range(3))
    assert found.attacking + found.honest == len(everyone)
    if any(guilty):
        assert found.recall == pytest.approx(recall_score(guilty, flagged))
        if any(flagged):
            assert found.precision == pytest.approx(precision_score(guilty, flagged))
        if not all(guilty):
            assert found.roc_auc == pytest.approx(roc_auc_score(guilty, scores))
    if not all(guilty) and everyone:
        innocent = [not one for one in guilty]
        spared = recall_score(innocent, [not one for one in flagged])
        assert found.false_positive_rate == pytest.approx(1 - spared)
