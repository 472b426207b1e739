"""How soon ``fedlens watch`` shows what there is: the list of 50 runs of 100 rounds, and a new round of one of them.

Not part of ``make bench``: it needs a Chromium, the one that FEDLENS_CHROMIUM names or ``chromium`` on PATH.

    python benchmarks/following.py [RUN]      # a run of 100 rounds to make copies of; without it one is made first
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from shutil import copytree
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING

import fedlens
from fedlens.watch.serving import serve

if TYPE_CHECKING:
    from playwright.sync_api import Page

RUNS, ROUNDS, FOLLOWED = 50, 100, 5
POINTS = "document.querySelector('figure[data-chart=metrics] .plot')._fullData[0].x.length"


def main() -> None:
    """Print the seconds."""
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        source = Path(sys.argv[1]) if len(sys.argv) > 1 else made(Path(folder) / "first")
        watched = Path(folder) / "runs"
        for number in range(RUNS):
            copytree(source, watched / f"run-{number}")
        browser = playwright.chromium.launch(executable_path=os.environ.get("FEDLENS_CHROMIUM", "/usr/bin/chromium"))
        page = browser.new_page()
        page.set_default_timeout(120_000)
        address = served(watched)
        for which in ("first", "second", "third"):
            seconds = timed(lambda: page.goto(address))
            assert page.locator("tbody tr").count() == RUNS
            print(f"the list of {RUNS} runs of {ROUNDS} rounds, {which} time: {seconds:.2f} s")
        for seconds in followed(page, watched / "run-0", address):
            print(f"a new round of a run, from the disk to the chart: {seconds:.2f} s")
        browser.close()


def made(path: Path) -> Path:
    """A run of handwritten digits with all checks and a benign twin."""
    options = {"data": "digits", "model": "census-mlp", "validation": 200, "rounds": ROUNDS}
    checks = ["accuracy", "distances", "statistics"]
    experiment = fedlens.Experiment.model_validate(options | {"attack": "explicit-boosting", "checks": checks})
    return fedlens.run(experiment, path).path


def served(folder: Path) -> str:
    """The address at which a thread serves the runs of `folder` until the program ends."""
    addresses: SimpleQueue[str] = SimpleQueue()
    Thread(target=serve, args=(folder, None, 0, addresses.put), daemon=True).start()
    return addresses.get()


def followed(page: "Page", run: Path, address: str) -> list[float]:
    """Seconds from each of the last rounds' being written to its being in the chart of the open page."""
    lines = (run / "rounds.jsonl").read_bytes().splitlines(keepends=True)
    first = len(lines) - FOLLOWED
    (run / "rounds.jsonl").write_bytes(b"".join(lines[:first]))
    page.goto(f"{address.partition('?')[0]}report?run={run.name}")
    until(lambda: page.locator("#live").inner_text() == "Following.")
    found = []
    for count in range(first, len(lines)):
        with (run / "rounds.jsonl").open("ab") as file:
            file.write(lines[count])
        found.append(timed(lambda: until(lambda: page.evaluate(POINTS) == count + 1)))  # noqa: B023 - called at once
    return found


def until(condition: Callable[[], bool]) -> None:
    """Wait for it; the page's own policy forbids what the browser's driver would wait with."""
    while not condition():
        time.sleep(0.02)


def timed(action: Callable[[], object]) -> float:
    """The seconds that it takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
