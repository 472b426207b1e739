"""What needs more than a run's records: its data, its final weights, and its benign twin's."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from fedlens.analysis.run_results import Run
from fedlens.core.errors import FedlensError
from fedlens.core.private_paths import without_folders
from fedlens.core.random import seeded
from fedlens.data.columns import Columns
from fedlens.experiment.setting import Setting, prepare
from fedlens.explanations.models import find_twin_of, load_model, load_models
from fedlens.explanations.triggered_samples import TriggeredSample, triggered_samples
from fedlens.models.evaluation import blocks, draws
from fedlens.report.html.chart import Chart
from fedlens.report.html.classes import confusion_chart
from fedlens.simulation.engines.context import GLOBAL


@dataclass(frozen=True)
class Final:
    """What data and weights say.

    Attributes:
        inputs: the attacker's samples, shape ``[r, ...]``, if the data is at hand.
        confusion: the confusion matrices, if weights are at hand too.
        why: for what is missing, why it is, in a sentence.
        triggered: samples with the trigger, if the goal has one.
        columns: what the columns of records are, if the data is at hand.
    """

    inputs: Tensor | None = None
    confusion: Chart | None = None
    why: list[str] = field(default_factory=list)
    triggered: list[TriggeredSample] = field(default_factory=list)
    columns: Columns | None = None


def look_at(run: Run, data_dir: Path | None = None, *, samples: bool = True) -> Final:
    """Look at the attacker's samples, if wanted, and the confusion matrices, as far as data and weights are at hand.

    A regression has neither.
    """
    if run.regression:
        return Final()
    try:
        setting = prepare(run.experiment, data_dir=data_dir)
        test = setting.dataset.test
        inputs = test.take(torch.tensor(run.target.index, dtype=torch.int64)).x if samples else None
        columns = setting.columns if samples else None
    except (FedlensError, OSError, IndexError) as error:
        what = "its samples cannot be shown" if samples else "the confusion matrix is left out"
        return Final(why=[f"The data is not at hand, so {what} ({_first_line(error)})."])
    try:
        models, why = _models(run, setting)
        predictions = {name: _predicted(model, setting, len(run.records)) for name, model in models.items()}
    except FedlensError as error:
        return Final(inputs, None, [f"The confusion matrix is left out ({_first_line(error)})."], columns=columns)
    matrices = {name: _matrix(predicted, setting) for name, predicted in predictions.items()}
    for name, predicted in predictions.items():
        if silent := int((predicted < 0).sum()):
            why.append(
                f"The {name} model's answers to {silent} test samples are no numbers; its matrix is without them."
            )
    asks = setting.goal is not None and setting.goal.asks
    triggered = triggered_samples(run, setting, models) if asks and samples else []
    return Final(inputs, confusion_chart(matrices, setting.dataset.classes), why, triggered, columns)


def _models(run: Run, setting: Setting) -> tuple[dict[str, nn.Module], list[str]]:
    """Return the benign and the attacked model; only the run's own, and why, where no benign one is at hand."""
    if run.experiment.attack is None:
        return {"global": load_model(run.path, "final", setting)}, []
    try:
        benign, attacked = load_models(run, find_twin_of(run), setting)
    except FedlensError as error:
        why = f"The benign model's confusion matrix is left out ({_first_line(error)})."
        return {"attacked": load_model(run.path, "final", setting)}, [why]
    return {"benign": benign, "attacked": attacked}, []


def _first_line(error: Exception) -> str:
    """Return what is wrong; the lines below say what was tried."""
    return without_folders(str(error).splitlines()[0])


def _predicted(model: nn.Module, setting: Setting, round_: int) -> Tensor:
    """Predict the class of each sample of the test set by the model of this round; -1 for answers without one."""
    test = setting.dataset.test
    model.eval()
    predicted = torch.empty_like(test.y)
    for block in blocks(0, len(test)):
        with torch.no_grad(), seeded(draws(setting.root, round_, GLOBAL, block.start)):
            logits = model(test.x[block].clone())
            predicted[block] = logits.argmax(1).masked_fill(logits.log_softmax(1).isnan().any(1), -1)
    return predicted


def _matrix(predicted: Tensor, setting: Setting) -> Tensor:
    """Count how many samples of each class of the test set (rows) are taken for each (columns)."""
    from sklearn.metrics import confusion_matrix

    every = range(len(setting.dataset.classes))
    return torch.from_numpy(confusion_matrix(setting.dataset.test.y.cpu(), predicted.cpu(), labels=every))
