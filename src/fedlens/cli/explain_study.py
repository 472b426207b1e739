"""``fedlens explain`` with several runs: do explanations betray the attack?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fedlens.cli.shared import make_folder, mapping, out, print_imported, say
from fedlens.core.errors import ExplanationError

if TYPE_CHECKING:
    from fedlens.analysis.run_results import Run
    from fedlens.explanations.gather import Gathered
    from fedlens.explanations.methods.method import Method


def contrast_runs(
    runs: Sequence["Run"],
    words: Sequence[str],
    methods: Mapping[str, "Method"],
    *,
    round_: int | None,
    folder: Path,
    device: str,
    data_dir: Path | None,
    trust: bool,
) -> None:
    """Compare attacked with benign models of several seeds; and the detector, where every round's weights were kept."""
    from fedlens.core.files import writing
    from fedlens.explanations.gather import gather, others
    from fedlens.explanations.study import study, work
    from fedlens.report.figures.contrasts import contrast_figure, contrast_tables, contrast_words
    from fedlens.report.figures.figures import save_figure

    gathered = gather(runs, device, data_dir, trust=trust)
    print_imported(one.run.experiment for one in gathered)
    subjects, beside = [one.subject(round_) for one in gathered], others(gathered, words)
    if not len(beside):
        raise ExplanationError(
            "--sample: several runs are compared on samples that are no attacker's; add --sample random:100"
        )
    make_folder(folder)
    with mapping(work(subjects, beside, methods)) as progress:
        found = study(subjects, beside, methods, progress)
    for table in contrast_tables(found):
        out.print(table)
    for sentence in contrast_words(found):
        say(sentence)
    with writing(folder, "choose another --out"):
        found.to_csv(folder / "contrast.csv", index=False)
    out.print(f"Numbers: {folder / 'contrast.csv'}", markup=False, soft_wrap=True)
    figure = contrast_figure(found)
    for ending in ("png", "svg"):
        save_figure(figure, folder / f"contrast.{ending}")
    out.print(f"Figure: {folder / 'contrast.png'} (and .svg)", markup=False, soft_wrap=True)
    if not all(one.keeps_weights for one in gathered):
        out.print("No detector: it needs every round's weights, of runs made with --keep-weights.", soft_wrap=True)
    elif all(len(one.run.records) == 1 for one in gathered):
        out.print("No detector: it needs runs of several rounds.", soft_wrap=True)
    else:
        _detect(gathered, len(beside), methods, folder)


def _detect(gathered: Sequence["Gathered"], count: int, methods: Mapping[str, "Method"], folder: Path) -> None:
    """Judge the detector over all runs and their twins."""
    import pandas as pd

    from fedlens.explanations.gather import held_out
    from fedlens.explanations.round_detector import areas, changes
    from fedlens.report.figures.contrasts import alarm_table

    rows: list[dict[str, object]] = []
    beside = [held_out(one, count) for one in gathered]
    total = 2 * sum(len(one.run.records) * len(found) for one, (found, _) in zip(gathered, beside, strict=True))
    with mapping(total * len(methods)) as progress:
        for one, (samples, _) in zip(gathered, beside, strict=True):
            for attacked, guilty in ((True, one.attack_acted()), (False, [False] * len(one.run.records))):
                scores = changes(one.rounds(attacked=attacked), samples, methods, progress)
                rows += [
                    {"seed": one.run.experiment.seed, "attacked": attacked, "round": record["round"], "guilty": acted}
                    | {"method": method, "measure": measure, "score": score}
                    for record, acted, by_method in zip(one.run.records[1:], guilty[1:], scores, strict=True)
                    for (method, measure), score in by_method.items()
                ]
    rounds = pd.DataFrame(rows)
    result = areas(rounds)
    out.print(alarm_table(result, all(own for _, own in beside)))
    rounds.to_csv(folder / "detector-rounds.csv", index=False)
    result.to_csv(folder / "detector.csv", index=False)
    out.print(f"Numbers: {folder / 'detector.csv'}, {folder / 'detector-rounds.csv'}", markup=False, soft_wrap=True)
