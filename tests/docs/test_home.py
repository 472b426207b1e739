"""The home page's picture is made from the committed records, and its report by the commands that it shows."""

from pathlib import Path

import matplotlib.image
import numpy as np
from docs_home import PICTURE, REPORT, draw_picture, make_report, sample_commands, shown_run
from docs_loads import loads_of
from pages import DOCS

PAGE = (DOCS / "index.md").read_text("utf-8")


def test_the_picture_is_what_its_command_draws(tmp_path: Path) -> None:
    """But for what another version of matplotlib draws otherwise."""
    drawn, committed = (matplotlib.image.imread(path) for path in (draw_picture(tmp_path / "a.png"), PICTURE))
    assert drawn.shape == committed.shape
    assert np.abs(drawn - committed).mean() < 0.02
    assert f"]({PICTURE.relative_to(DOCS)})" in PAGE


def test_the_caption_says_what_the_records_say() -> None:
    last = shown_run(lambda run: run.records[-1])
    points = 100 * (last.twin.quality.accuracy - last.quality.accuracy)
    words = f"confidence in sneaker reaches {last.target.confidence[0]:.2f}, while test accuracy ends {points:.1f}"
    assert f"{words} points below" in " ".join(PAGE.split())


def test_the_report_is_made_by_the_page_s_commands() -> None:
    run, explain, report = sample_commands(PAGE)
    assert run.startswith("fedlens run quickstart ")
    assert explain.startswith("fedlens explain runs/sample ")
    assert report == f"fedlens report runs/sample --output {REPORT}"
    assert f"]({REPORT})" in PAGE
    smaller = "fedlens run quickstart -o data=digits -o local.batch_size=20 -o rounds=2 -o name=sample --engine serial"
    content = make_report(f"```sh\nfedlens list\n```\n\n```sh\n{smaller}\n{report}\n```\n")
    assert b"<!doctype html>" in content[:100].lower()
    assert 1e6 < len(content) < 6e6


def test_the_report_is_not_looked_through_for_what_it_loads(tmp_path: Path) -> None:
    for name in ("page.html", REPORT):
        (tmp_path / name).write_text('<img src="https://elsewhere.org/a.png">')
    assert len(loads_of(tmp_path)) == 2
    assert len(loads_of(tmp_path, without={REPORT})) == 1
