"""The areas on the page of explanations are made of the detector's scores, which are kept."""

import re

import pandas as pd
import pytest
from pages import DOCS

from fedlens.explanations.round_detector import areas

REPRODUCTION = DOCS / "reproduction"
METHODS = {
    "gradient": "gradient",
    "integrated gradients": "integrated-gradients",
    "guided backpropagation": "guided-backprop",
    "LRP ε = 1": "lrp-epsilon",
    "LRP γ": "lrp-gamma",
    "LRP α1β0": "lrp-alpha1-beta0",
    "all twelve, all measures": "all",
}
MEASURES = {"rank correlation": "spearman", "SSIM": "ssim", "cosine": "cosine", "top 10 %": "top"}


@pytest.mark.parametrize("study", ["fashion", "alternating"])
def test_the_areas_are_those_of_the_scores(study: str) -> None:
    folder = REPRODUCTION / "study" / f"explanations-{study}"
    found = areas(pd.read_csv(folder / "detector-rounds.csv"))
    pd.testing.assert_frame_equal(found, pd.read_csv(folder / "detector.csv"))


@pytest.mark.parametrize(("study", "place", "count"), [("fashion", 0, 25), ("alternating", 1, 16)])
def test_the_page_has_them(study: str, place: int, count: int) -> None:
    known = pd.read_csv(REPRODUCTION / "study" / f"explanations-{study}" / "detector.csv")
    table = known.set_index(["method", "measure"])[["median", "median_low", "median_high"]]
    parts = (REPRODUCTION / "explanations.md").read_text("utf-8").split("| method |")[1:]
    head, _, *lines = parts[place].partition("\n\n")[0].splitlines()
    measures = [MEASURES[name.strip()] for name in head.split("|") if name.strip()]
    found = 0
    for line in lines:
        method, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for measure, cell in zip(measures, filter(None, cells), strict=False):
            area = table.loc[METHODS[method], "all" if METHODS[method] == "all" else measure]
            assert [float(number) for number in re.findall(r"\d\.\d\d", cell)] == pytest.approx(area, abs=0.005001)
            found += 1
    assert found == count
