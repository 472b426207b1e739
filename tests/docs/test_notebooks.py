"""The tutorials that are notebooks do what they show: they are executed anew, and what they print is compared."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import pytest
from docs_notebooks import TUTORIALS, execute, notebook_page
from pages import NUMBER

ALL = sorted(TUTORIALS.glob("*.ipynb"))
QUICKEST = TUTORIALS / "your-model.ipynb"


def read(path: Path) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return notebook


def words(cell: dict[str, Any]) -> Counter[str]:
    """What a cell printed, whatever its numbers and however lines were broken for them."""
    texts = ["".join(output["text"]) for output in cell.get("outputs", ()) if output["output_type"] == "stream"]
    return Counter(NUMBER.sub("#", re.sub(r"─+", "", "".join(texts))).split())


def require_same(shown: dict[str, Any], found: dict[str, Any]) -> None:
    """Refuse a notebook whose cells print, or draw, something else than it shows."""
    for old, new in zip(shown["cells"], found["cells"], strict=True):
        assert words(old) == words(new), "".join(old["source"])
        kinds = [[output["output_type"] for output in cell.get("outputs", ())] for cell in (old, new)]
        assert kinds[0] == kinds[1], "".join(old["source"])


def test_there_are_four() -> None:
    assert [path.stem for path in ALL] == ["your-images", "your-model", "your-table", "your-text"]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_notebook_is_whole_small_and_says_nothing_of_who_wrote_it(path: Path) -> None:
    text = path.read_text("utf-8")
    nbformat.validate(nbformat.reads(text, as_version=4))
    assert len(text) < 200_000
    without_pictures = re.sub(r'"image/png": "[^"]+"', "", text)
    assert re.findall(r"[\"' (]/[a-z]+/|\\u001b|Traceback", without_pictures) == []
    cells = read(path)["cells"]
    numbers = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {"stdout", None} >= {output.get("name") for cell in cells for output in cell.get("outputs", ())}


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_its_page_has_every_cell_and_what_it_shows(path: Path) -> None:
    page = "\n".join(notebook_page(path))
    assert page.startswith("# Your ")
    for cell in read(path)["cells"]:
        assert "".join(cell["source"]).removeprefix("%%sh\n") in page
        for output in cell.get("outputs", ()):
            assert "".join(output.get("text", output.get("data", {}).get("image/png"))).strip("\n") in page


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "path",
    [QUICKEST, *(pytest.param(path, marks=pytest.mark.acceptance) for path in ALL)],
    ids=lambda path: path.stem,
)
def test_a_notebook_does_what_it_shows(path: Path, tmp_path: Path) -> None:
    require_same(read(path), execute(path, tmp_path))


def test_another_result_is_noticed() -> None:
    def printing(text: str) -> dict[str, Any]:
        return {"cells": [{"source": "a", "outputs": [{"output_type": "stream", "text": [text]}]}]}

    require_same(printing("round 1:\naccuracy 0.5\n"), printing("round 1: accuracy\n0.25"))
    for text in ("Attack failed", "", "Attack succeeded succeeded"):
        with pytest.raises(AssertionError):
            require_same(printing("Attack succeeded"), printing(text))
