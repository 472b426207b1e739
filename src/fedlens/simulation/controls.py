"""Making the benign twin and the placebo of an experiment, and leaving a run without attack as one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fedlens.analysis.run_results import Run
from fedlens.core.errors import ClientError
from fedlens.experiment.experiment import Experiment, control_name
from fedlens.experiment.setting import Setting
from fedlens.runs.directory import RunDirectory
from fedlens.runs.reading import keeps_predictions
from fedlens.runs.record_values import destroyed
from fedlens.simulation.backdoors import answers_of
from fedlens.simulation.callback import Callback
from fedlens.simulation.engines import choose_engine
from fedlens.simulation.engines.backdoor_job import variants
from fedlens.simulation.engines.choice import Choice
from fedlens.simulation.leaving import twin_files
from fedlens.simulation.record_rounds import record_rounds
from fedlens.simulation.runtime import Runtime
from fedlens.simulation.twin import Control, cached, find_control, keep, key


def controls_of(
    setting: Setting, choice: Choice, callback: Callback, *, keep_weights: bool = False
) -> dict[str, Control]:
    """Make or load the controls of the setting's experiment, by their names in records.

    Args:
        setting: the prepared experiment.
        choice: the engine, which is theirs, too.
        callback: is called as they go on.
        keep_weights: whether the benign twin keeps the weights of every round.

    Raises:
        FedlensError: one cannot be made.
    """
    return {
        name: find_or_make(setting, control, choice, callback, keep_weights=keep_weights and name == "control")
        for name, control in setting.experiment.controls.items()
    }


def find_or_make(
    setting: Setting, control: Experiment, choice: Choice, callback: Callback, *, keep_weights: bool = False
) -> Control:
    """Make or load the benign twin or placebo `control` of the setting's experiment, on the same engine."""
    control_setting, asks = replace(setting, experiment=control, goal=None), variants(setting.goal) > 0

    def make(path: Path) -> None:
        with RunDirectory(path, keep_predictions=True, keep_weights=keep_weights or asks) as directory:
            directory.begin(control, resume=False)
            record_rounds(directory, control_setting, {}, choice, callback, twin=True)

    try:
        found = find_control(control_setting, choice.arithmetic, make, callback, keep_weights=keep_weights or asks)
        if asks and not (setting.goal and setting.goal.trains):
            found.backdoors = answers_of(found, setting, choice)
        return found
    except ClientError as error:
        if not control.absent:
            raise
        explained = ClientError(
            f"placebo ({control_name(control)}): {error}; a new run with -o placebo=false does without"
        )
        for note in getattr(error, "__notes__", []):
            explained.add_note(note)
        raise explained from error


def sound(controls: Mapping[str, Control], callback: Callback) -> dict[str, Control]:
    """Return the controls whose models and answers are finite to the end."""
    sound = {}
    for name, control in controls.items():
        title = "benign twin" if name == "control" else name
        if (round_ := destroyed(control.records)) is not None:
            callback.remark(f"{title}: no control, for without attack the model is not finite after round {round_}")
        elif (silent := control.silent) is not None:
            callback.remark(f"{title}: no control, for its answers are no numbers (NaN) after round {silent}")
        else:
            sound[name] = control
    return sound


def make_control(control: Experiment, runtime: Runtime, callback: Callback) -> Path:
    """Make a benign twin or placebo in the cache, for any target; return its run directory.

    Raises:
        FedlensError: it cannot be made.
    """
    setting = runtime.prepare(control)
    setting.try_model()
    return find_or_make(setting, control, choose_engine(runtime.engine, runtime.workers, setting), callback).path


def cached_control(control: Experiment, runtime: Runtime) -> Path | None:
    """Return the run directory of a cached benign twin or placebo; ``None`` if it is not complete."""
    setting = runtime.prepare(control)
    return cached(setting, choose_engine(runtime.engine, runtime.workers, setting).arithmetic)


def leave_twin(run: Run, runtime: Runtime) -> None:
    """Put an earlier run without attack into the cache as its benign twin, if it has its predictions.

    Raises:
        FedlensError: its files are damaged, or its data are not available.
    """
    if run.experiment.leaves_twin and keeps_predictions(run.path):
        setting = runtime.prepare(run.experiment)
        leave_as_twin(setting, choose_engine(runtime.engine, runtime.workers, setting).arithmetic, run.path)


def leave_as_twin(setting: Setting, arithmetic: str, run: Path) -> None:
    """Put a complete run without attack into the cache as its benign twin, unless there is one."""
    twin, dataset = setting.experiment.twin(), setting.dataset
    twin_setting = replace(setting, experiment=twin, goal=None)
    if cached(twin_setting, arithmetic) is None:
        keep(key(twin_setting, arithmetic), twin_files(run, twin, setting.paper.stop, dataset.classes), twin)
