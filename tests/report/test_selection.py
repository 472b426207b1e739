from math import isnan

import pytest
from handmade import Made
from matplotlib.axes import Axes

from fedlens.core.errors import ConfigError
from fedlens.report.figures.aggregation_weights import selected_clients
from fedlens.report.figures.canvas import SHADING


def line(panel: Axes, label: str) -> list[tuple[float, float]]:
    found = [line for line in panel.get_lines() if line.get_label() == label]
    return [(x, y) for one in found for x, y in zip(one.get_xdata(), one.get_ydata(), strict=True)]


def shaded(panel: Axes) -> bool:
    return SHADING in panel.get_legend_handles_labels()[1]


def test_one_update_alone_is_a_dot_a_round(made: Made) -> None:
    shares = [[0, 1.0, 0, 0], [0, 0, 0, 1.0], [0, 0, 0, 1.0], [1.0, 0, 0, 0]]
    (panel,) = selected_clients([made([{"shares": share} for share in shares])]).axes
    assert line(panel, "benign client chosen") == [(1, 1), (4, 0)]
    assert line(panel, "malicious client chosen") == [(2, 3), (3, 3)]
    assert (
        panel.get_title()
        == "explicit-boosting\nmade\nmean: the malicious client was chosen in 2 of 4\nrounds with an attack"
    )
    assert panel.get_ylabel() == "client"
    assert not shaded(panel)


def test_rows_are_clients_and_not_places_in_the_cohort(made: Made) -> None:
    rounds = [
        {"cohort": [7, 9, 2], "shares": [0, 1.0, 0]},
        {"cohort": [7, 4, 2], "shares": [1.0, 0, 0], "attack": None},
        {"cohort": [9, 4, 2], "shares": [1.0, 0, 0], "attack": {"acted": False}},
    ]
    (panel,) = selected_clients([made(rounds, clients=10, fraction=0.3)]).axes
    assert line(panel, "malicious client chosen") == [(1, 9)]
    assert line(panel, "benign client chosen") == [(2, 7), (3, 9)]
    assert panel.get_title().endswith("malicious client was chosen in 1 of 1\nrounds with an attack")
    assert shaded(panel)


def test_other_rules_have_lines_of_shares(made: Made) -> None:
    rounds = [{"shares": [0.2, 0.3, 0.4, 0.1]}, {"shares": [0.25] * 4, "attack": None}, {"shares": [0, 0.5, 0.5, 0]}]
    (panel,) = selected_clients([made(rounds)]).axes
    assert line(panel, "benign clients' mean share") == [(1, pytest.approx(0.3)), (2, 0.25), (3, pytest.approx(1 / 3))]
    ours = line(panel, "malicious client's share")
    assert (ours[0], ours[2]) == ((1, 0.1), (3, 0))
    assert isnan(ours[1][1])
    assert panel.get_title().endswith("client's update weighed 5.0 % on\naverage, a benign one 29.0 %")
    assert panel.get_ylabel() == "share in the global update"
    assert shaded(panel)


def test_skipped_rounds_are_left_out(made: Made) -> None:
    skipped = {"shares": [0.0] * 4, "skipped": "0 of 4 updates passed the checks"}
    (panel,) = selected_clients([made([{"shares": [0, 0, 0, 1.0]}, skipped])]).axes
    assert line(panel, "malicious client chosen") == [(1, 3)]
    assert panel.get_xlim() == (0.5, 2.5)


def test_where_every_round_with_an_attack_was_skipped_nobody_is_said_to_be_absent(made: Made) -> None:
    skipped = {"shares": [0.0] * 4, "skipped": "0 of 4 updates passed the checks"}
    (panel,) = selected_clients([made([{"attack": None}, skipped])]).axes
    assert " ".join(panel.get_title().split()).endswith("mean: the rule was applied in no round with an attack")


def test_runs_have_panels_of_their_own_kind(made: Made) -> None:
    krum, mean = made([{"shares": [1.0, 0, 0, 0]}]), made([{}])
    benign = made([{"attack": None, "shares": [1.0, 0, 0, 0]}], attack=None)
    panels = selected_clients([krum, mean, benign]).axes
    assert [panel.get_ylabel() for panel in panels] == ["client", "share in the global update", "client"]
    assert panels[2].get_title() == "no attack\nmade\nmean: nobody attacked"
    assert "the malicious client" not in panels[2].get_legend_handles_labels()[1]


def test_what_is_missing_is_said(made: Made) -> None:
    with pytest.raises(ConfigError, match=r"made: the rule mean does not tell what each update weighed"):
        selected_clients([made([{"shares": None}])])
