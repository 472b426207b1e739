from typing import Any

import pytest
from handmade import Made
from matplotlib.axes import Axes

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.report.figures.distance_ranges import distance_ranges


def round_(malicious: list[float], others: list[float], **more: Any) -> dict[str, Any]:
    own = [[2.0, 3.0], [2.5, 3.0], [2.0, 3.5], malicious]
    return {"checks": {"distances": {"range": own, "others": [[0, 99], [0, 99], [0, 99], others]}}, **more}


def run_of(made: Made, *rounds: dict[str, Any], **changes: Any) -> fedlens.Run:
    return made(rounds, checks=["distances"], **changes)


def band(panel: Axes) -> list[tuple[float, float]]:
    return [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in panel.patches]


def bars(panel: Axes) -> list[tuple[float, list[float]]]:
    lines = panel.containers[-1].lines[2][0].get_segments()
    return [(line[0][0], [line[0][1], line[1][1]]) for line in lines]


def marked(panel: Axes) -> list[float]:
    return [x for line in panel.get_lines() if line.get_label() == "ranges overlap" for x in line.get_xdata()]


def test_band_bars_and_marks(made: Made) -> None:
    run = run_of(made, round_([4.0, 6.0], [2.0, 3.5]), round_([3.5, 5.0], [2.0, 3.5]), round_([1, 1.5], [2, 3.5]))
    (panel,) = distance_ranges([run]).axes
    assert band(panel) == [(2.0, 3.5)] * 3
    assert bars(panel) == [(1, [4.0, 6.0]), (2, [3.5, 5.0]), (3, [1.0, 1.5])]
    assert marked(panel) == [2]
    assert panel.get_title() == "explicit-boosting\nmade\nthe ranges overlap in 1 of 3 rounds with an attack"
    assert panel.get_yscale() == "linear"


def test_where_nobody_attacks_the_band_is_everyone(made: Made) -> None:
    run = run_of(made, round_([4.0, 6.0], [2.0, 3.5]), round_([3.0, 4.0], [], attack=None))
    (panel,) = distance_ranges([run]).axes
    assert band(panel) == [(2.0, 3.5), (2.0, 4.0)]
    assert [x for x, _ in bars(panel)] == [1]
    assert "0 of 1 rounds with an attack" in panel.get_title()


def test_a_run_without_attack_has_a_band_only(made: Made) -> None:
    (panel,) = distance_ranges([run_of(made, round_([3.0, 4.0], [], attack=None), attack=None)]).axes
    assert band(panel) == [(2.0, 4.0)]
    assert len(panel.containers) == 1
    assert panel.get_title() == "no attack\nmade\nnobody attacked"


def test_without_a_pair_of_benign_updates_there_is_no_band(made: Made) -> None:
    (panel,) = distance_ranges([run_of(made, round_([4.0, 6.0], []))]).axes
    assert not band(panel)
    assert not marked(panel)


def test_runs_share_an_axis_that_is_logarithmic_where_they_differ_much(made: Made) -> None:
    near, far = run_of(made, round_([4.0, 6.0], [2.0, 3.5])), run_of(made, round_([40.0, 60.0], [2.0, 3.5]))
    panels = distance_ranges([near, far]).axes
    assert {panel.get_yscale() for panel in panels} == {"log"}
    assert panels[0].get_ylim() == panels[1].get_ylim()
    assert [panel.get_ylabel() for panel in panels] == ["L2 distance of two updates", ""]


def test_real_runs(checked: fedlens.Run, partial: fedlens.Run) -> None:
    figure = distance_ranges([checked, partial])
    assert [len(band(panel)) for panel in figure.axes] == [2, 5]
    attacked = [record.round for record in partial.records if record.malicious is not None]
    assert [x for x, _ in bars(figure.axes[1])] == attacked
    last = partial.records[attacked[-1] - 1]
    (own,) = [client.checks["distances"].details["range"] for client in last.clients if client.client == 5]
    assert bars(figure.axes[1])[-1][1] == pytest.approx(own)


def test_what_is_missing_is_said(plain: fedlens.Run) -> None:
    with pytest.raises(ConfigError, match=r"plain: no distances were kept; run it with -o 'record=\[distances\]'"):
        distance_ranges([plain])
