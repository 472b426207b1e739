"""``fedlens explain`` with several runs: do explanations betray the attack?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fedlens.cli.shared import make_folder, mapping, out, print_drawn, say
from fedlens.core.errors import ExplanationError

if TYPE_CHECKING:
    from fedlens.explanations.gather import Gathered
    from fedlens.explanations.methods.method import Method


def contrast_runs(
    gathered: Sequence["Gathered"],
    words: Sequence[str],
    methods: Mapping[str, "Method"],
    round_: int | None,
    folder: Path,
) -> None:
    """Compare attacked with benign models of several seeds; and the detector, where every round's weights were kept."""
    from fedlens.core.files import writing
    from fedlens.explanations.gather import others
    from fedlens.explanations.study import study, work
    from fedlens.report.figures.contrasts import contrast_figure, contrast_tables, contrast_words

    subjects, samples = [entry.subject(round_) for entry in gathered], others(gathered, words)
    if not len(samples):
        raise ExplanationError(
            "--sample: several runs are compared on samples that are no attacker's; add --sample random:100"
        )
    make_folder(folder)
    with mapping(work(subjects, samples, methods)) as progress:
        contrasts = study(subjects, samples, methods, progress)
    for table in contrast_tables(contrasts):
        out.print(table)
    for sentence in contrast_words(contrasts):
        say(sentence)
    with writing(folder, "choose another --out"):
        contrasts.to_csv(folder / "contrast.csv", index=False)
    out.print(f"Numbers: {folder / 'contrast.csv'}", markup=False, soft_wrap=True)
    print_drawn(contrast_figure(contrasts), folder / "contrast.png")
    if not all(entry.keeps_weights for entry in gathered):
        out.print("No detector: it needs every round's weights, of runs made with --keep-weights.", soft_wrap=True)
    elif all(len(entry.run.records) == 1 for entry in gathered):
        out.print("No detector: it needs runs of several rounds.", soft_wrap=True)
    else:
        _detect(gathered, len(samples), methods, folder)


def _detect(gathered: Sequence["Gathered"], count: int, methods: Mapping[str, "Method"], folder: Path) -> None:
    """Judge the detector over all runs and their twins."""
    import pandas as pd

    from fedlens.explanations.gather import held_out
    from fedlens.explanations.round_detector import areas, changes
    from fedlens.report.figures.contrasts import alarm_table

    rows: list[dict[str, object]] = []
    held_out_samples = [held_out(entry, count) for entry in gathered]
    pairs = list(zip(gathered, held_out_samples, strict=True))
    total = 2 * sum(len(entry.run.records) * len(samples) for entry, (samples, _) in pairs)
    with mapping(total * len(methods)) as progress:
        for entry, (samples, _) in pairs:
            for attacked, acted_in in ((True, entry.attack_acted()), (False, [False] * len(entry.run.records))):
                scores = changes(entry.rounds(attacked=attacked), samples, methods, progress)
                rows += [
                    {"seed": entry.run.experiment.seed, "attacked": attacked, "round": record.round, "guilty": acted}
                    | {"method": method, "measure": measure, "score": score}
                    for record, acted, by_method in zip(entry.run.records[1:], acted_in[1:], scores, strict=True)
                    for (method, measure), score in by_method.items()
                ]
    rounds = pd.DataFrame(rows)
    result = areas(rounds)
    out.print(alarm_table(result, all(is_validation for _, is_validation in held_out_samples)))
    rounds.to_csv(folder / "detector-rounds.csv", index=False)
    result.to_csv(folder / "detector.csv", index=False)
    out.print(f"Numbers: {folder / 'detector.csv'}, {folder / 'detector-rounds.csv'}", markup=False, soft_wrap=True)
