"""``fedlens explain``: why the benign and the attacked model say what they say, in pictures and numbers."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedlens.cli.shared import DataDir, Device, Trust, make_folder, mapping, out, print_drawn, print_imported
from fedlens.core.errors import ConfigError

if TYPE_CHECKING:
    from fedlens.experiment.setting import Setting
    from fedlens.explanations.gather import Gathered
    from fedlens.explanations.methods.method import Method
    from fedlens.explanations.model_pair import ModelPair

PICTURED = 4
"""How many samples are drawn; numbers are of all of them."""


def explain(  # noqa: PLR0917 - typer passes them by name
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="The attacked run's directory, or several with different seeds."),
    ],
    control: Annotated[
        Path | None, typer.Option(metavar="RUN", help="A run without attack, instead of the cached benign twin.")
    ] = None,
    round_: Annotated[
        int | None,
        typer.Option(
            "--round", min=1, help="Explain the models after this round; default the last. Needs run --keep-weights."
        ),
    ] = None,
    sample: Annotated[
        list[str] | None,
        typer.Option(
            metavar="target|INDEX|random:N",
            help="Test samples to explain; may be repeated. The first four are drawn. [target, random:100]",
        ),
    ] = None,
    methods: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Separated by commas, with options after colons: lrp-epsilon:epsilon=0.5."),
    ] = "all",
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Directory for pictures and numbers, replacing earlier ones; default RUN/explanations, or "
            "explanations for several runs, with a folder round-N inside for --round.",
        ),
    ] = None,
    device: Device = "cpu",
    data_dir: DataDir = None,
    trust: Trust = False,
    without_samples: Annotated[
        bool, typer.Option("--without-samples", help="Leave out pictures, maps and what is said of single samples.")
    ] = False,
) -> None:
    """Show which inputs drive benign and attacked models.

    With runs of several seeds: do explanations of attacked models differ more from benign ones than these do from each
    other?
    """
    from fedlens.analysis.run_results import load_run
    from fedlens.cli.explain_study import contrast_runs
    from fedlens.explanations.gather import gather
    from fedlens.explanations.maps import parse_methods

    parsed, words = parse_methods(methods), sample or ["target", "random:100"]
    inside = Path("explanations", *([] if round_ is None else [f"round-{round_}"]))
    if len(paths) > 1 and control is not None:
        raise ConfigError(
            "--control: of several runs each has its own benign twin; leave out --control, or explain one run"
        )
    gathered = gather([load_run(path) for path in paths], device, data_dir, trust=trust, control=control)
    print_imported(entry.run.experiment for entry in gathered)
    if len(gathered) == 1:
        explain_run(gathered[0], words, parsed, round_, output or paths[0] / inside, samples=not without_samples)
    else:
        contrast_runs(gathered, words, parsed, round_, output or inside)


def explain_run(
    gathered: "Gathered",
    words: Sequence[str],
    methods: Mapping[str, "Method"],
    round_: int | None,
    folder: Path,
    *,
    samples: bool = True,
) -> None:
    """Explain one run's models: tables and numbers, and with `samples` pictures and maps."""
    from fedlens.report.terminal.likeness import likeness_table, said_table

    target = gathered.targets
    indices = gathered.sample_indices(words)
    make_folder(folder)
    with mapping(4 * len(methods) * len(indices)) as progress:
        pair = gathered.pair(indices, methods, progress, round_)
    if samples:
        out.print(said_table(pair, gathered.setting.dataset.classes, target, PICTURED))
    for table in likeness_table(pair, target):
        out.print(table)
    _save_numbers(pair, folder, None if samples else target)
    if samples:
        _save_samples(pair, gathered.setting, folder)


def _save_numbers(pair: "ModelPair", folder: Path, target: Collection[int] | None) -> None:
    """Write how alike maps are, in place of earlier results: of each sample, or means of the `target` and of others."""
    from fedlens.core.files import writing

    numbers = pair.likeness()
    if target is not None:
        numbers["sample"] = numbers["sample"].isin(list(target)).map({True: "target", False: "other"})
        numbers = numbers.groupby(list(numbers.columns[:-1]), sort=False)["value"].mean().reset_index()
    with writing(folder, "choose another --out"):
        for file in folder.iterdir():
            if re.fullmatch(r"sample-\d+\.(png|svg)|maps\.safetensors", file.name):
                file.unlink()  # its numbers are about to be replaced
        numbers.to_csv(folder / "likeness.csv", index=False)
    out.print(f"Numbers: {folder / 'likeness.csv'}", markup=False, soft_wrap=True)


def _save_samples(pair: "ModelPair", setting: "Setting", folder: Path) -> None:
    """Write a picture of each of the first samples, and the maps of all."""
    from safetensors.torch import save

    from fedlens.core.files import write_atomically, writing
    from fedlens.report.figures.attribution_bars import attribution_figure

    with writing(folder, "choose another --out"):
        maps = {
            f"{model}/{explained}/{method}": values.contiguous().cpu()
            for (model, explained), attributions in pair.maps.items()
            for method, values in attributions.maps.items()
        }
        write_atomically(folder / "maps.safetensors", save(maps, {"samples": " ".join(map(str, pair.indices))}))
    out.print(f"Maps: {folder / 'maps.safetensors'}", markup=False, soft_wrap=True)
    for row, index in enumerate(pair.indices[:PICTURED]):
        print_drawn(attribution_figure(pair, row, setting), folder / f"sample-{index}.png")
