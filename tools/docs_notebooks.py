"""The tutorials that are notebooks: as pages of the site, and executed.

    python tools/docs_notebooks.py

executes them in a kernel of this interpreter, each in a folder of its own, and writes what they print and draw into
them, in minutes. Executing needs nbclient and ipykernel; the pages need neither.
"""

import base64
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docs_markdown import fence

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"
LONGEST = 600
"""Seconds that a cell may take."""
COLOURS = 32
"""So many are enough for a figure of matplotlib's, and make its file a quarter as large."""

PLAIN = (
    "--IPKernelApp.exec_lines=import os; del os.environ['FORCE_COLOR']",
    "--IPKernelApp.log_level=ERROR",
)
"""With these, a kernel does not ask programs for colours, nor warn that it is to be reached from this machine."""

_PNG = re.compile(r"^[\w+/=\s]+$")


def notebook_page(path: Path) -> Iterator[str]:
    """Yield the lines of a notebook as a page in Markdown, with what its cells printed and drew."""
    for number, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield from (source, "")
            if number == 0:
                yield from (f"This page is a notebook: [{path.name}]({path.name}).", "")
        else:
            shell = source.startswith("%%sh\n")
            yield from fence("sh" if shell else "python", source.removeprefix("%%sh\n"))
            for output in cell["outputs"]:
                yield from _shown(output)


def execute(path: Path, folder: Path) -> dict[str, Any]:
    """Execute a notebook in a folder, and return it with its outputs, which do not say where that was.

    Args:
        path: the notebook.
        folder: where its kernel works, and keeps what fedlens caches.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: str(folder / name.lower()) for name in ("FEDLENS_CACHE", "FEDLENS_STATE", "IPYTHONDIR")}
    client = NotebookClient(
        notebook, timeout=LONGEST, kernel_name="python3", resources={"metadata": {"path": str(folder)}},
        extra_arguments=[*PLAIN],
    )  # fmt: skip
    client.execute(env={**os.environ, **kept, "COLUMNS": "80", "PATH": programs})
    executed: dict[str, Any] = json.loads(nbformat.writes(notebook).replace(f"{folder}/", ""))
    for cell in executed["cells"]:
        cell["metadata"] = {}
        cell.get("outputs", [])[:] = _joined(cell.get("outputs", []))
    return executed


def _joined(outputs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the outputs of a cell, what is printed in one piece, whenever it came, and before the others."""
    for name in ("stdout", "stderr"):
        texts = ["".join(output["text"]) for output in outputs if output.get("name") == name]
        if texts:
            text = "".join(texts).splitlines(keepends=True)
            yield {"name": name, "output_type": "stream", "text": text}
    yield from (output for output in outputs if output["output_type"] != "stream")


def _shown(output: dict[str, Any]) -> Iterator[str]:
    if output["output_type"] == "stream":
        yield from fence("text", "".join(output["text"]))
    elif (picture := "".join(output["data"].get("image/png", ""))) and _PNG.match(picture):
        yield from (f"![what the cell above draws](data:image/png;base64,{''.join(picture.split())})", "")
    else:
        yield from fence("text", "".join(output["data"]["text/plain"]))


def _smaller(notebook: dict[str, Any]) -> None:
    """Reduce the colours of the pictures of a notebook, in place."""
    from PIL import Image

    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if picture := output.get("data", {}).get("image/png"):
                image = Image.open(io.BytesIO(base64.b64decode("".join(picture)))).convert("RGB")
                image.thumbnail((900, 900))
                image.quantize(COLOURS).save(file := io.BytesIO(), "PNG", optimize=True)
                output["data"] = {"image/png": base64.b64encode(file.getvalue()).decode()}


def main(wanted: list[str]) -> None:
    """Execute these tutorials, or all, and write their outputs."""
    for path in sorted(TUTORIALS.glob("*.ipynb")):
        if path.stem in wanted or not wanted:
            with TemporaryDirectory() as folder:
                notebook = execute(path, Path(folder))
            _smaller(notebook)
            path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
            print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
