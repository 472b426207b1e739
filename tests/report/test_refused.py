"""A run whose attacker trained, but whose updates were not finite, is not one in which nobody attacked."""

from collections.abc import Callable

import pytest
from handmade import Made
from matplotlib.figure import Figure

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.report.figures.distance_ranges import distance_ranges
from fedlens.report.figures.evolution import histogram_evolution
from fedlens.report.figures.updates import update_histograms
from fedlens.report.html.check_scores import check_charts, distances_chart
from fedlens.report.html.updates import updates_chart

SAID = "no malicious update was finite, so all were refused"
COLUMNS = {"norm": [1.0] * 3, "sparsity": [0.1] * 3, "wasserstein": [0.1] * 3, "lowest": [-1] * 3, "highest": [1] * 3}


@pytest.fixture
def refused(made: Made) -> fedlens.Run:
    """Two rounds, in both of which the malicious client attacked and its update was not finite."""
    made.histograms([[[1, 2, 3, 4]] * 3] * 2)
    distances = {"range": [[2.0, 3.0]] * 3, "others": [[2.0, 3.0]] * 3}
    checks = {"distances": distances, "statistics": COLUMNS}
    round_ = {"checks": checks, "malformed": [3], "rejected": [3], "shares": [1 / 3] * 3 + [0.0]}
    return made([round_] * 2, checks=["distances", {"name": "statistics", "bins": 4, "limit": 2}])


def words(figure: Figure) -> str:
    texts = [text.get_text() for panel in figure.axes for text in (panel.title, *panel.texts)]
    return " ".join(" ".join(texts).split())


@pytest.mark.parametrize("draw", [distance_ranges, histogram_evolution])
def test_a_figure_says_that_they_were_refused(draw: Callable[..., Figure], refused: fedlens.Run) -> None:
    figure = draw([refused])
    assert SAID in words(figure)
    assert "nobody" not in words(figure)


def test_there_are_no_updates_to_draw(refused: fedlens.Run) -> None:
    for draw in (lambda run: update_histograms([run]), updates_chart):
        with pytest.raises(ConfigError, match=f"made: {SAID}, and there are no updates to compare"):
            draw(refused)


def test_the_report_says_so(refused: fedlens.Run) -> None:
    assert distances_chart(refused).caption == f"N{SAID[1:]}."
    assert [chart.caption.partition(". ")[0] for chart in check_charts(refused)] == [
        f"It flagged honest clients in 0 of 6 cases; {SAID}"
    ] * 2


def test_one_round_of_several_is_named(refused: fedlens.Run, made: Made) -> None:
    checks = {"statistics": {name: [*values, 1.0] for name, values in COLUMNS.items()}}
    finite = made([{"checks": checks}], checks=["statistics"]).records[0]
    refused.records.insert(0, finite)
    for number, record in enumerate(refused.records, 1):
        object.__setattr__(record, "round", number)
    with pytest.raises(ConfigError, match=r"the malicious update was not finite in round 3; choose one of 1, "):
        update_histograms([refused], 3)
