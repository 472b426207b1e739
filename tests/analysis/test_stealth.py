from pathlib import Path
from typing import Any

import pytest
from helpers.recorded import ATTACKED, record

from fedlens.analysis.run_results import Run
from fedlens.analysis.stealth import distance_gap, malicious_deviation, statistic
from fedlens.runs.metadata import TargetRecord
from fedlens.runs.record import RoundRecord

COHORT = [1, 4, 5]
STATISTICS = {"statistics": {"wasserstein": [0.1, 0.9, 0.3]}}
MALICIOUS = {"accuracy": 0.55, "loss": 1.0, "per_class": [0.5, 0.6]}


def distances(own: list[float], others: list[float], **values: Any) -> RoundRecord:
    """A round whose second client, which attacks, has these ranges of distances."""
    checks = {"distances": {"range": [[], own, []], "others": [[], others, []]}, **values.pop("checks", {})}
    return record(1, COHORT, checks=checks, **values)


@pytest.mark.parametrize(
    ("own", "others", "gap"),
    [
        ([5.0, 6.0], [1.0, 2.0], 3.0),
        ([1.0, 2.0], [4.0, 6.0], 2.0),
        ([1.0, 5.0], [3.0, 9.0], -2.0),
        ([2.0, 5.0], [1.0, 2.0], 0.0),
        ([], [1.0, 2.0], None),
    ],
)
def test_the_gap_between_ranges_of_distances(own: list[float], others: list[float], gap: float | None) -> None:
    assert distance_gap(distances(own, others)) == gap


def test_a_statistic_beside_the_median_of_the_others() -> None:
    checks = {"statistics": {"wasserstein": [0.1, 0.9, 0.3], "spread": [7.0] * 3}}
    assert statistic(record(1, COHORT, checks=checks), "wasserstein") == (0.9, 0.2)
    alone = record(1, [4], checks={"statistics": {"wasserstein": [0.9]}})
    assert statistic(alone, "wasserstein") is None


def test_who_did_not_attack_is_not_measured() -> None:
    quiet = distances([5.0, 6.0], [1.0, 2.0], attack={"acted": False}, checks=STATISTICS)
    assert distance_gap(quiet) is None
    assert statistic(quiet, "wasserstein") is None
    assert malicious_deviation(quiet) is None


def test_they_are_columns_of_a_runs_table(tmp_path: Path) -> None:
    checked = distances([5.0, 6.0], [1.0, 2.0], checks=STATISTICS, malicious=MALICIOUS)
    records = [checked, record(2, COHORT, malicious=MALICIOUS), record(3, [1, 2, 5])]
    columns = ["malicious_deviation", "distance_gap", "wasserstein", "benign_wasserstein"]
    table = Run(tmp_path, ATTACKED, records, TargetRecord([0], [0], [1], ["a", "b"]), None).rounds[columns]
    assert table.iloc[0].tolist() == pytest.approx([0.25, 3.0, 0.9, 0.2])
    assert table.iloc[1].isna().tolist() == [False, True, True, True]
    assert table.iloc[2].isna().all()
