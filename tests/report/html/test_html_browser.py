"""The page in a real browser.

The browser is the one that FEDLENS_CHROMIUM names, else a Chromium on PATH; where there is none the tests are skipped.
FEDLENS_AXE names the DIR that ``npm install --prefix DIR axe-core`` filled; where it is not set, that test is skipped.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from helpers import made_sweeps
from helpers.waiting import PATIENCE

import fedlens
from fedlens.report.html.page import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.xdist_group("html")

EVIL = "<img src=x onerror=alert(1)>"
Opened = Callable[..., "Page"]


@pytest.fixture
def opened(browser: "Browser") -> Iterator[Opened]:
    """Opens a page; in the end there must have been neither an error nor a request to anywhere."""
    troubles: list[str] = []
    contexts = []

    def open_(file: Path, width: int = 1200) -> "Page":
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme="light")
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        local = (file.as_uri(), "data:", "blob:")
        page.on("request", lambda asked: troubles.extend([asked.url] * (not asked.url.startswith(local))))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-drawn=true]")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture(scope="module")
def compared(full: fedlens.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two runs, of which one is the other's copy, under a name that wants to be a picture."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copytree(full.path, folder / EVIL)
    write_report([full.path, folder / EVIL], folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept")
    path = made_sweeps.sweep(folder / "rules", {"attack.boost": [2, 5, 10], "aggregation": ["mean", "median"]})
    write_report([path], folder / "report.html")
    return folder / "report.html"


def test_a_run_is_drawn_and_answers_to_mouse_and_keys(page: Path, opened: Opened, full: fedlens.Run) -> None:
    shown = opened(page)
    assert shown.locator(".plot").count() == shown.locator(".plot .main-svg .cartesianlayer").count() > 8
    for chart in ("metrics", "distances", "check-1"):
        assert shown.locator(f"figure[data-chart={chart}] .trace path").count() > 0

    bars = "[...document.querySelectorAll('[data-chart=updates] .bars path')].map(p => p.getAttribute('d')).join()"
    slider = shown.locator("#slider-updates")
    before, last = shown.evaluate(bars), slider.get_attribute("aria-valuetext")
    slider.focus()
    shown.keyboard.press("ArrowLeft")
    assert shown.evaluate(bars) != before
    assert slider.get_attribute("aria-valuetext") != last
    shown.keyboard.press("ArrowRight")
    assert shown.evaluate(bars) == before

    lines = shown.locator("figure[data-chart=metrics] .scatterlayer .trace")
    count = lines.count()
    shown.locator("figure[data-chart=metrics] .legend input").first.uncheck()
    assert lines.count() == count - 2  # the run's and the twin's

    with shown.expect_download() as download:
        shown.locator("button[data-save=metrics]").click()
    rows = [line.split(",") for line in download.value.path().read_text().splitlines()]
    column = rows[0].index("accuracy")
    assert download.value.suggested_filename == "metrics.csv"
    assert [float(row[column]) for row in rows[1:]] == full.rounds["accuracy"].tolist()
    shown.locator("details[data-table=metrics] summary").click()
    rows_shown = shown.locator("details[data-table=metrics] tbody tr")
    rows_shown.first.wait_for()  # the table is made once the browser tells that it has been opened
    assert rows_shown.count() == len(full.records)

    assert shown.pdf(format="A4", print_background=True).startswith(b"%PDF")


def test_groups_of_too_few_seeds_have_their_ranges(tmp_path: Path, opened: Opened) -> None:
    path = made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["mean", "median"]})
    write_report([path], tmp_path / "report.html")
    shown = opened(tmp_path / "report.html")
    chart = shown.locator("figure[data-chart=confidence-by-option]")
    assert chart.locator(".scatterlayer .trace").count() == 3  # ranges, groups, twins
    assert chart.locator(".ytick text").all_text_contents() == ["mean", "median"]


def test_on_a_phone_a_groups_row_is_a_block_and_its_name_two_lines(tmp_path: Path, opened: Opened) -> None:
    def measure(row: Mapping[str, Any]) -> dict[str, Any]:
        return {"accuracy": 0.8, "control_accuracy": 0.9, "acted": True, "success": True} | made_sweeps.beside_both(row)

    fields = {"attack": ["explicit-boosting", "data-poisoning"], "aggregation": ["median", "mean"]}
    write_report([made_sweeps.sweep(tmp_path / "rules", fields, measure)], tmp_path / "report.html")
    shown = opened(tmp_path / "report.html", width=390)
    cells = shown.locator("#result table.stacked tbody > tr > *")
    boxes = [found for cell in cells.all() if (found := cell.bounding_box())]
    assert len(boxes) == cells.count() > 12
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    assert max(box["height"] for box in boxes) < 60
    assert {cell.get_attribute("data-label") for cell in cells.all()} >= {"rate", "red flags"}
    chart = shown.locator("figure[data-chart=confidence-by-option]")
    chart.locator(".ytick text").first.wait_for()
    assert chart.locator(".ytick text").first.locator("tspan").all_text_contents() == ["explicit-boosting, ", "median"]
    (absent,) = [words for words in chart.locator(".legend label").all_text_contents() if "client absent" in words]
    assert absent.strip().startswith("✕")


def test_boxes_show_and_hide_the_runs(compared: Path, opened: Opened) -> None:
    shown = opened(compared)
    lines = shown.locator("figure[data-chart=confidence] .scatterlayer .trace")
    assert lines.count() == 4
    panels = shown.locator("figure[data-chart=updates] .panel")
    curves = shown.locator("figure[data-chart=roc] .scatterlayer .trace")
    assert panels.filter(visible=True).count() == 4
    every = curves.count()
    shown.locator("#server input[data-toggle='0']").uncheck()
    assert panels.filter(visible=True).count() == 2
    assert curves.count() == (every - 3) / 2 + 3  # the lines of chance stay
    assert not shown.locator("#rounds input[data-toggle='0']").is_checked()
    assert lines.count() == 2
    shown.locator("#rounds input[data-toggle='0']").check()
    assert panels.filter(visible=True).count() == 4
    assert curves.count() == every
    shown.locator("#rounds input[data-toggle='1']").focus()
    shown.keyboard.press("Space")
    assert lines.count() == 2
    shown.locator("input[data-twins]").uncheck()
    assert lines.count() == 1
    shown.locator("button[data-all=off]").last.click()
    assert lines.count() == 0
    assert shown.locator("img").count() == 0


def test_a_slider_moves_the_histograms_of_every_run(compared: Path, opened: Opened, full: fedlens.Run) -> None:
    shown = opened(compared)
    counts = "Array.from(p._fullData[0].y)"  # as plotly.js has read them
    bars = f"[...document.querySelectorAll('[data-chart=updates] .plot')].map(p => [p.data[0].x0, ...{counts}])"
    last = shown.evaluate(bars)
    assert last[:2] == last[2:]  # one is the other's copy
    slider = shown.locator("#slider-updates")
    slider.focus()
    shown.keyboard.press("Home")
    first = shown.evaluate(bars)
    assert all(one != other for one, other in zip(first, last, strict=True))
    attacked = full.rounds["round"][full.rounds["acted"]].tolist()
    assert slider.get_attribute("aria-valuetext") == f"round {attacked[0]}"
    with shown.expect_download() as download:
        shown.locator("button[data-save=updates]").click()
    rows = [line.split(",") for line in download.value.path().read_text().splitlines()]
    assert rows[0] == ["run", "round", "lower", "upper", "benign", "malicious"]
    assert {int(row[1]) for row in rows[1:]} == set(attacked)


@pytest.mark.parametrize("which", ["page", "compared", "swept"])
def test_on_paper_nothing_is_so_tall_that_it_leaves_a_page_half_empty(
    which: str, opened: Opened, request: pytest.FixtureRequest
) -> None:
    width, height = 688, 1017  # of A4, less its margins, in CSS pixels
    shown = opened(request.getfixturevalue(which), width=width)
    shown.emulate_media(media="print")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    heights = "[...document.querySelectorAll('.chart, .sample, .tiles, .code, tr')].map(one => one.offsetHeight)"
    assert 0 < max(shown.evaluate(heights)) < 0.45 * height
    assert shown.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("which", ["page", "compared", "swept"])
def test_nobody_is_shut_out(which: str, opened: Opened, request: pytest.FixtureRequest) -> None:
    shown = opened(request.getfixturevalue(which), width=360)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360
    links = [link.bounding_box() for link in shown.locator("nav a").all()]
    assert len(links) >= 4
    assert all(box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in links)
    if not (folder := os.environ.get("FEDLENS_AXE")):
        pytest.skip("needs axe-core: npm install --prefix DIR axe-core, and name DIR by FEDLENS_AXE")
    shown.evaluate("document.querySelectorAll(':not(.numbers) > details').forEach(one => { one.open = true; })")
    shown.locator(".numbers summary").last.click()
    shown.evaluate((Path(folder) / "node_modules" / "axe-core" / "axe.min.js").read_text())
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes if which == "page" else schemes[1:]:
        shown.emulate_media(color_scheme=scheme)
        found = shown.evaluate("axe.run({ exclude: ['.main-svg'] })")  # what is drawn has words beside it
        grave = [one for one in found["violations"] if one["impact"] in {"serious", "critical"}]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in grave] == []
        assert len(found["passes"]) > 20
