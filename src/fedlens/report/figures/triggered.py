"""What a trigger does: test samples without and with it, and what the attacked and the benign model say of each."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import torch
from torch import nn

from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError, FedlensError
from fedlens.experiment.setting import Setting, prepare
from fedlens.explanations.models import find_twin_of, load_model, load_models
from fedlens.explanations.triggered_samples import TriggeredSample, triggered_samples
from fedlens.report.data import run_name
from fedlens.report.figures.canvas import plain
from fedlens.report.looks import BENIGN, MALICIOUS
from fedlens.report.words import target_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDE = 1.35
"""Inches of an image's side."""
COLOURS: Mapping[str, str] = {"attacked": MALICIOUS, "benign": BENIGN}


def triggered_inputs(runs: Sequence[Run]) -> "Figure":
    """Draw a run's samples: a row without the trigger, one with it, and one with the difference.

    Raises:
        ConfigError: there is more than one run, its goal has no trigger, or its inputs are no images.
        FedlensError: its data or weights are not at hand.
    """
    if len(runs) != 1:
        raise ConfigError("--kind triggered: shows one run; e.g. fedlens plot RUN --kind triggered")
    [run] = runs
    if run.experiment.goal is None or run.records[-1].backdoor is None:
        raise ConfigError(f"{run.path}: there is no trigger to be shown; -o goal=backdoor plants one")
    setting = prepare(run.experiment)
    samples = triggered_samples(run, setting, models_of(run, setting))
    if samples[0].clean.dim() not in {2, 3}:
        raise ConfigError(f"{run.path}: its inputs are no images; `fedlens report {run.path}` shows them as records")
    return draw_samples(samples, f"{run_name(run)}: {target_words(run)}")


def models_of(run: Run, setting: Setting) -> dict[str, nn.Module]:
    """Return the benign and the attacked model by their names, or the attacked one alone.

    Raises:
        FedlensError: the attacked one's weights are not at hand.
    """
    try:
        benign, attacked = load_models(run, find_twin_of(run), setting)
    except FedlensError:
        return {"attacked": load_model(run.path, "final", setting).eval()}
    return {"benign": benign.eval(), "attacked": attacked.eval()}


def draw_samples(samples: Sequence[TriggeredSample], title: str) -> "Figure":
    """Draw samples that are images, with what every model says below each, and how sure it is of the class wanted."""
    from matplotlib.figure import Figure

    lines = len(samples[0].answers)
    size = (_SIDE * len(samples) + 0.4, 0.9 + 2 * _SIDE + 3 * 0.19 * lines)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(2, len(samples), squeeze=False)
    for column, sample in enumerate(samples):
        pair = torch.stack([sample.clean, sample.triggered]).double().cpu()
        low, high = pair.min(), pair.max()
        for panel, image in zip(panels[:, column], (pair - low) / (high - low), strict=True):
            _show(panel, image if image.dim() == 3 else image[None], lines if panel is panels[0, column] else 2 * lines)
        panels[0, column].set_title(f"test sample {sample.index}:\n{plain(sample.true)}", fontsize="small")
        clean = [(name, answer.clean, None) for name, answer in sample.answers.items()]
        triggered = [(name, answer.triggered, answer.confidence) for name, answer in sample.answers.items()]
        _say(panels[0, column], clean, sample.wanted)
        _say(panels[1, column], triggered, sample.wanted)
    for panel, words in zip(panels[:, 0], ("clean", "triggered"), strict=True):
        panel.set_ylabel(words, fontsize="medium")
    grey = samples[0].clean.dim() == 2 or samples[0].clean.shape[0] != 3
    lines_above = [plain(title), "p: probability of the class wanted" + "; the brightest pixels are drawn black" * grey]
    figure.suptitle("\n".join(fill(words, max(24, int(11 * size[0]))) for words in lines_above), fontsize="medium")
    return figure


def _show(panel: "Axes", image: torch.Tensor, lines: int) -> None:
    """Show an image (``[channels, height, width]``, 0 to 1) with room for so many lines below."""
    pixels = image.permute(1, 2, 0) if len(image) == 3 else image.mean(0)
    panel.imshow(pixels.numpy(), cmap="gray_r", vmin=0, vmax=1)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_xlabel("\n" * (lines - 1) + " ", fontsize=9)


def _say(panel: "Axes", answers: Sequence[tuple[str, str, float | None]], wanted: str) -> None:
    """Write below an image what the models say, each in its colour; the class wanted is bold."""
    place = 0
    for name, said, confidence in answers:
        probability = "" if confidence is None else f"\np({plain(wanted)}) = {percent(confidence)}"
        panel.annotate(
            f"{name}: {plain(said)}{probability}",
            (0.5, 0),
            (0, -4 - 11 * place),
            xycoords="axes fraction",
            textcoords="offset points",
            annotation_clip=False,
            color=COLOURS[name],
            fontsize="x-small",
            fontweight="bold" if said == wanted and confidence is not None else "normal",
            ha="center",
            va="top",
        )
        place += 1 if confidence is None else 2
