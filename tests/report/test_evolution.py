from dataclasses import replace

import numpy as np
import pytest
from handmade import Made
from helpers.records import changed
from matplotlib.axes import Axes

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.report.figures.evolution import histogram_evolution

ROUNDS = [
    [[1, 50, 60, 0], [1, 1, 1, 1], [1, 1, 1, 1], [300, 20, 0, 7]],
    [[2, 51, 61, 0], [1, 1, 1, 1], [1, 1, 1, 1], [301, 21, 0, 0]],
]


def image(panel: Axes) -> np.ma.MaskedArray:
    return panel.collections[0].get_array().reshape(4, -1)


def test_a_column_is_a_round_and_nothing_counted_is_white(made: Made) -> None:
    benign, malicious, _ = histogram_evolution([made.histograms(ROUNDS)]).axes
    assert image(benign).filled(0).T.tolist() == [[1, 50, 60, 0], [2, 51, 61, 0]]
    assert image(malicious).filled(0).T.tolist() == [[0, 20, 0, 7], [0, 21, 0, 0]]
    assert benign.get_title(loc="left").strip() == "explicit-boosting: made"
    assert [panel.texts[0].get_text() for panel in (benign, malicious)] == [
        "benign, first client of each cohort",
        "malicious, client 3 (up to 93 % outside)",
    ]


def test_rounds_without_attack_are_empty(made: Made) -> None:
    run = made.histograms(ROUNDS)
    run.records[0] = changed(run.records[0], attack=None)
    benign, malicious, _ = histogram_evolution([run]).axes
    assert image(malicious).filled(0).T.tolist() == [[0] * 4, [0, 21, 0, 0]]
    assert malicious.get_xlim() == benign.get_xlim() == (0.5, 2.5)


def test_an_update_of_zeros_is_told_from_none(made: Made) -> None:
    run = made.histograms([ROUNDS[0], [*ROUNDS[1][:3], [0] * 4]])
    benign, malicious, _ = histogram_evolution([run]).axes
    assert [(text.get_position(), text.get_text()) for text in malicious.texts[:-1]] == [((2, 0), "all zero")]
    assert len(benign.texts) == 1


def test_runs_share_colours_and_values(checked: fedlens.Run, partial: fedlens.Run) -> None:
    figure = histogram_evolution([checked, partial])
    *panels, bar = figure.axes
    assert len(panels) == 4
    assert bar.get_ylabel() == "entries per bin"
    assert len({panel.get_ylim() for panel in panels}) == 1
    assert len({panel.collections[0].norm for panel in panels}) == 1
    counts = partial.tables(1)["statistics.histogram"].numpy()
    shown = panels[2].collections[0].get_array().reshape(500, 5)[:, 0].filled(0)
    client = next(row for row, client in enumerate(partial.records[0].cohort) if client != 5)
    assert list(shown[1:-1]) == list(counts[client][1:-1])


def test_a_run_without_attack_has_its_benign_side(made: Made) -> None:
    run = made.histograms(ROUNDS, attack=None)
    unattacked = replace(run, records=[changed(record, attack=None) for record in run.records])
    benign, malicious, _ = histogram_evolution([unattacked]).axes
    assert len(benign.collections) == 1
    assert not malicious.collections
    assert malicious.texts[0].get_text() == "nobody attacked"
    assert benign.get_title(loc="left").strip() == "no attack: made"


def test_what_is_missing_is_said(checked: fedlens.Run, plain: fedlens.Run) -> None:
    with pytest.raises(
        ConfigError, match=r"plain: no histograms were kept; run it with -o 'record=\[histograms, norms\]'"
    ):
        histogram_evolution([checked, plain])
