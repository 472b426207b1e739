from dataclasses import replace

import numpy as np
import pytest
from handmade import Made
from helpers.records import changed

import fedlens
from fedlens.analysis.histograms import Histogram, window
from fedlens.core.errors import ConfigError
from fedlens.report.figures.updates import update_histograms

COUNTS = [[1, 5000, 6000, 0], [1, 1, 1, 1], [1, 1, 1, 1], [30, 2000, 100, 7]]


def words(panel: object) -> str:
    return "\n".join(text.get_text() for text in [*panel.get_legend().get_texts(), *panel.texts])


def test_the_first_benign_client_stands_beside_the_malicious_one(made: Made) -> None:
    benign, malicious = update_histograms([made.histograms([COUNTS])]).axes
    assert words(benign).splitlines()[:4] == [
        "benign client 0",
        "norm 1",
        "10.0 % of entries below 1e-7",
        "Wasserstein-1 to the others: 0.01",
    ]
    assert words(malicious).splitlines()[:4] == [
        "malicious client 3",
        "norm 44.5",
        "45.6 % of entries below 1e-7",
        "Wasserstein-1 to the others: 0.79",
    ]
    assert benign.get_title(loc="left") == "explicit-boosting: made, round 1"


def test_both_panels_have_the_same_logarithmic_axes(made: Made) -> None:
    benign, malicious = update_histograms([made.histograms([COUNTS])]).axes
    for panel in (benign, malicious):
        assert panel.get_yscale() == "log"
        assert panel.get_xlim() == (-2, 2)
        assert panel.get_ylim() == (0.7, 40 * 6000)


def test_overflowing_bins_are_not_drawn_but_told(made: Made) -> None:
    benign, malicious = update_histograms([made.histograms([COUNTS])]).axes
    assert list(benign.patches[0].get_data().values) == [1, 5000, 6000, 0]
    assert list(malicious.patches[0].get_data().values) == [0, 2000, 100, 7]
    assert "← 30 more\ndown to −2.5" in words(malicious)
    assert "→" not in words(malicious)
    assert not benign.texts


def test_the_window_shows_where_the_mass_is(made: Made) -> None:
    counts = [[0, 5000, 5000, 0], *COUNTS[1:3], [0, 5000, 5000, 3]]
    _, malicious = update_histograms([made.histograms([counts])]).axes
    assert malicious.get_xlim() == pytest.approx((-1.1, 1.1))
    assert "3 more →\nup to 2" in words(malicious)
    edges = np.linspace(-1, 1, 11)
    inside = Histogram(0, np.array([0, 0, 0, 10, 500, 500, 0, 0, 0, 1]), edges, {"lowest": -0.3, "highest": 0.9})
    assert window([inside]) == pytest.approx(1.1 * 0.4)
    assert inside.outside(window([inside])) == (0, 1)
    empty = Histogram(0, np.zeros(10, dtype=np.int64), edges, {"lowest": 0, "highest": 0})
    assert 0 < window([empty]) <= 1


def test_the_round_is_the_last_with_an_attack_or_the_one_asked_for(partial: fedlens.Run) -> None:
    attacked = [record.round for record in partial.records if record.malicious is not None]
    missing = next(record.round for record in partial.records if record.malicious is None)
    for chosen, asked in ((attacked[-1], None), (attacked[0], attacked[0])):
        figure = update_histograms([partial], asked)
        assert figure.axes[0].get_title(loc="left").endswith(f": partial, round {chosen}")
        cohort = partial.records[chosen - 1].cohort
        benign = next(client for client in cohort if client != 5)
        assert words(figure.axes[0]).startswith(f"benign client {benign}\n")
        assert words(figure.axes[1]).startswith("malicious client 5\n")
    with pytest.raises(ConfigError, match=rf"nobody attacked in round {missing}; choose one of {attacked[0]}, "):
        update_histograms([partial], missing)


def test_several_runs_have_a_row_each(checked: fedlens.Run, partial: fedlens.Run) -> None:
    figure = update_histograms([checked, partial])
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert [title.partition(",")[0] for title in titles] == [
        "explicit-boosting: checked",
        "",
        "explicit-boosting: partial",
        "",
    ]


def test_what_is_missing_is_said(plain: fedlens.Run, made: Made) -> None:
    with pytest.raises(
        ConfigError, match=r"plain: no histograms were kept; run it with -o 'record=\[histograms, norms\]'"
    ):
        update_histograms([plain])
    alone = made.histograms([COUNTS[:1]])
    with pytest.raises(ConfigError, match="nobody attacked, and there are no updates to compare"):
        update_histograms([replace(alone, records=[changed(alone.records[0], attack=None)])])
    alone.records[0] = replace(alone.records[0], clients=alone.records[0].clients[3:])
    with pytest.raises(ConfigError, match="alone in round 1"):
        update_histograms([alone])
