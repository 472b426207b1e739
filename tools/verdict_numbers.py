"""What it takes to reach a verdict: the tables in verdict.md and its picture, computed exactly.

``python tools/verdict_numbers.py`` writes all of them anew; with ``--check`` it says whether they are the page's.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import scipy.stats

from fedlens.studies.audit.e_processes import (
    against_at_least,
    against_at_most,
    against_no_better,
    cells_to_refute,
    limits,
)
from fedlens.studies.audit.evidence import FLOOR, NEEDED, Flags, evidence
from fedlens.studies.audit.verdict import RATE

Rows = Iterator[Sequence[str]]
DOCS = Path(__file__).parent.parent / "docs"
PAGE, PICTURE = DOCS / "explanation/verdict.md", DOCS / "assets/verdict.svg"
WIDTH, HEIGHT, LEFT, BOTTOM, MOST, TOP, WORDS = 620, 300, 60, 40, 100, 0.5, 30
"""Of the picture: sizes, margins, where its axes end, and at how many seeds lines are named."""


def holds() -> Rows:
    """Yield how many seeds it takes to refute a rate, by how many of them are successes."""
    yield [
        "successes of the finalist",
        "10 % refuted after",
        "by a fixed number",
        "5 % refuted after",
        "by a fixed number",
    ]
    for successes in range(4):
        cells = [number for rate in (0.10, 0.05) for number in (_looking(successes, rate), _fixed(successes, rate))]
        yield [str(successes), *map(str, cells)]


def broken() -> Rows:
    """Yield how many successes of the attack alone it takes, by the number of finalists."""
    yield ["finalists", *(f"placebo alone succeeded with {lost}" for lost in range(3))]
    for finalists in (1, 2, 3):
        yield [str(finalists), *(str(_winning(finalists, lost)) for lost in range(3))]


def expected() -> Rows:
    """Yield how likely verdicts are, of one finalist whose placebo never succeeds, until the first that is reached."""
    yield ["true rate of success", "broken within 36", "holds within 36", "broken within 100", "holds within 100"]
    for rate in (0.0, 0.02, 0.05, 0.10, 0.20, 0.50, 0.90):
        chances = [chance for seeds in (36, 100) for chance in _chances(rate, seeds)]
        yield [f"{rate:.0%}".replace("%", " %"), *(f"{100 * chance:.1f} %" for chance in chances)]


TABLES: Mapping[str, Callable[[], Rows]] = {"holds": holds, "broken": broken, "expected": expected}


def table(name: str) -> str:
    """Return one of the tables in Markdown, between the marks that it has on the page."""
    head, *rows = TABLES[name]()
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join([f"<!-- {name}: tools/verdict_numbers.py -->", *lines, "<!-- end -->"])


def picture() -> str:
    """Return a picture, in SVG, of the upper limit after each seed, for one finalist with no, one and two successes."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for share in (0.05, 0.10, 0.20, 0.30, 0.40, 0.50):
        x, y = _at(0, share)
        dash = ' stroke-dasharray="5 4" stroke="#555"' if share <= RATE else ' stroke="#ddd"'
        lines.append(f'<path d="M{x} {y}H{WIDTH - 20}"{dash}/>')
        lines.append(f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{100 * share:.0f} %</text>')
    for seeds in range(0, MOST + 1, 20):
        x, y = _at(seeds, 0)
        lines.append(f'<text x="{x}" y="{y + 18}" text-anchor="middle">{seeds}</text>')
    x, y = _at(0, 0)
    lines.append(f'<path d="M{x} {y}H{WIDTH - 20}" stroke="black"/>')
    lines.append(f'<text x="{(LEFT + WIDTH) // 2}" y="{HEIGHT - 4}" text-anchor="middle">held-out seeds</text>')
    for successes, colour in enumerate(("#1f6feb", "#b35900", "#c4320a")):
        high = limits(successes, np.arange(successes, MOST + 1), 1 / NEEDED)[1].tolist()
        ends = [_at(n, end) for n, end in enumerate(high, successes) if end <= TOP]
        points = " ".join(f"{x},{y}" for x, y in ends)
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = _at(WORDS, high[WORDS - successes])
        words = ("no success", "one", "two")[successes]
        lines.append(f'<text x="{x + 2}" y="{y - 5}" fill="{colour}">{words}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _at(seeds: int, share: float) -> tuple[float, float]:
    """Return a place in the picture."""
    x = LEFT + (WIDTH - 20 - LEFT) * seeds / MOST
    return round(x, 1), round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 15) * share / TOP, 1)


def _looking(successes: int, rate: float) -> int:
    """Return after how many seeds a rate is refuted, if one may look at any time."""
    return successes + cells_to_refute(successes, successes, rate, NEEDED)


def _fixed(successes: int, rate: float) -> int:
    """Return how many seeds an exact binomial test needs, if their number was fixed beforehand."""
    return int((scipy.stats.binom.cdf(successes, np.arange(1000), rate) <= 1 / NEEDED).argmax())


def _winning(finalists: int, lost: int) -> int:
    """Return with how many seeds in a row one finalist succeeds until it is broken, after the placebo alone did."""
    won = np.zeros((60, finalists), dtype=bool)
    won[lost:, 0] = True
    placebo = np.zeros_like(won)
    placebo[:lost] = True
    return int(evidence(won, placebo, RATE).broken[:, 0].argmax()) - lost


def _chances(rate: float, seeds: int) -> tuple[float, float]:
    """Return the probabilities that it is broken, and that it holds, within so many seeds."""
    open_, broken_, holds_ = np.array([1.0]), 0.0, 0.0
    for n in range(1, seeds + 1):
        open_ = np.append(open_, 0) * (1 - rate) + np.insert(open_, 0, 0) * rate
        breaks, refutes = _decided(n)
        broken_, holds_ = broken_ + float(open_[breaks].sum()), holds_ + float(open_[refutes].sum())
        open_[breaks | refutes] = 0
    return broken_, holds_


@cache
def _decided(seeds: int) -> tuple[Flags, Flags]:
    """Return with how many successes of so many it is broken, and with how many it holds."""
    s = np.arange(seeds + 1)
    breaks = np.minimum(against_at_most(s, seeds, FLOOR), against_no_better(s, 0)) >= NEEDED
    return breaks, (against_at_least(s, seeds, RATE) >= NEEDED) & ~breaks


def main() -> None:
    """Write the tables and the picture, or compare them with what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if there is anything else there")
    check = parser.parse_args().check
    page = PAGE.read_text("utf-8")
    for name in TABLES:
        page = re.sub(rf"<!-- {name}: .*?<!-- end -->", table(name), page, flags=re.DOTALL)
    for path, text in ((PAGE, page), (PICTURE, picture())):
        if not check:
            path.write_text(text, "utf-8")
        elif path.read_text("utf-8") != text:
            sys.exit(f"{path}: has other numbers")


if __name__ == "__main__":
    main()
