"""What came of one finalist's attack with one seed, and the seeds of which everything is known."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import isnan


@dataclass(frozen=True)
class Cell:
    """One finalist's attack with one seed.

    Attributes:
        finalist: what the attack is called.
        seed: which of the verdict's seeds, from 0.
        success: whether its goal was met, at the end of its window and in half of the window's rounds.
        placebo: whether the same was met with the malicious client absent.
        cost: accuracy lost against the benign twin, as a fraction; below 0 if it was gained.
        applied: whether the malicious update had any effect at least once.
        unseen: whether no check flagged it more often than it flags honest clients; ``None`` if there is no check.
        failed: whether its run failed, so that nobody knows what would have come of it. It speaks neither for the
            server nor against it: it counts as a success where rates are refuted, and as the placebo's alone where it
            is to be broken.

    Raises:
        ValueError: the seed is negative, or the cost is not a number.

    Example:
        >>> from fedlens.studies.audit.cell import Cell
        >>> cell = Cell("alternating", seed=0, success=True, placebo=False, cost=0.02)
        >>> cell.succeeded(accuracy_cost=0.03), cell.succeeded(accuracy_cost=0.01)
        (True, False)
    """

    finalist: str
    seed: int
    success: bool
    placebo: bool
    cost: float
    applied: bool = True
    unseen: bool | None = None
    failed: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0 or isnan(self.cost):
            raise ValueError(f"a seed from 0 and a cost are needed, not {self.seed} and {self.cost}")

    def succeeded(self, accuracy_cost: float) -> bool:
        """Tell whether the attack succeeded at no higher cost than this, whatever the placebo did."""
        return self.success and self.applied and self.cost <= accuracy_cost

    def counts(self, accuracy_cost: float) -> bool:
        """Tell whether this is a success of the attack: the placebo had none."""
        return self.succeeded(accuracy_cost) and not self.placebo


def table(cells: Iterable[Cell], finalists: Sequence[str], skipped: Collection[int] = ()) -> list[list[Cell]]:
    """Return a row for every seed that counts, with its cells in the order of the finalists.

    Seeds count up to the first with which not every finalist has been tried.

    Args:
        cells: in any order.
        finalists: the names.
        skipped: seeds that are left out.

    Raises:
        ValueError: there is no finalist, one is named twice, or a cell is of none of them or there twice.

    Example:
        >>> from fedlens.studies.audit.cell import Cell, table
        >>> cells = [Cell("alternating", seed, success=True, placebo=False, cost=0.01) for seed in (0, 1, 3)]
        >>> [row[0].seed for row in table(cells, ["alternating"])]
        [0, 1]
        >>> [row[0].seed for row in table(cells, ["alternating"], skipped=[2])]
        [0, 1, 3]
    """
    if not finalists or len(set(finalists)) < len(finalists):
        raise ValueError(f"finalists: different names are needed, not {list(finalists)}")
    found: dict[tuple[int, str], Cell] = {}
    for cell in cells:
        if cell.finalist not in finalists or (cell.seed, cell.finalist) in found:
            wrong = "there twice" if cell.finalist in finalists else f"of none of the finalists {', '.join(finalists)}"
            raise ValueError(f"cell of {cell.finalist}, seed {cell.seed}: {wrong}")
        found[cell.seed, cell.finalist] = cell
    rows: list[list[Cell]] = []
    seed = 0
    while True:
        if seed not in skipped:
            complete = [found[seed, name] for name in finalists if (seed, name) in found]
            if len(complete) < len(finalists):
                return rows
            rows.append(complete)
        seed += 1
