"""``fedlens cache``: what is in the cache, and how to clear it."""

from typing import Annotated, Literal

import typer

from fedlens.cli.examples import ExampledCommand, ExampledGroup
from fedlens.cli.shared import out

cache = typer.Typer(cls=ExampledGroup, invoke_without_command=True, rich_markup_mode=None, add_completion=False)


@cache.callback()
def show(context: typer.Context) -> None:
    """Show what is in the cache and how large it is."""
    if context.invoked_subcommand is not None:
        return
    from fedlens.core.cache_contents import KINDS, size
    from fedlens.core.paths import cache_dir
    from fedlens.report.terminal.printing import PlainTable

    table = PlainTable(title=f"Cache: {cache_dir()}")
    table.add_column("kind")
    table.add_column("what it is")
    table.add_column("number", justify="right")
    table.add_column("MB", justify="right")
    for kind in KINDS:
        items = kind.items()
        table.add_row(kind.name, kind.about, str(len(items)), f"{sum(map(size, items)) / 1e6:.1f}")
    out.print(table)
    out.print(
        "fedlens cache clear [KIND] empties it; whatever is needed later is computed or fetched again.", markup=False
    )


@cache.command(cls=ExampledCommand)
def clear(
    kind: Annotated[
        Literal["controls", "openings", "data", "prepared"] | None,
        typer.Argument(metavar="KIND", help="controls, openings, data or prepared; default all."),
    ] = None,
) -> None:
    """Empty the cache, or remove one kind of content."""
    from fedlens.core.cache_contents import KINDS
    from fedlens.core.cache_contents import clear as cleared

    removed = [size for candidate in KINDS if kind in {None, candidate.name} for size in cleared(candidate)]
    out.print(f"{len(removed)} removed, {sum(removed) / 1e6:.1f} MB")
