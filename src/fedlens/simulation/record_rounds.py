"""Playing rounds into a run directory, for runs and their controls alike."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace

from fedlens.analysis.summary import summarise
from fedlens.core.custom import is_custom
from fedlens.core.errors import ClientError
from fedlens.experiment.setting import Setting
from fedlens.models.metrics import measure
from fedlens.runs.directory import RunDirectory
from fedlens.runs.environment import describe_environment
from fedlens.runs.metadata import StartRecord
from fedlens.runs.record import ControlRecord, RoundRecord
from fedlens.runs.record_values import destroyed, judged
from fedlens.runs.round_result import RoundResult
from fedlens.runs.run_summary import Summary
from fedlens.simulation.backdoors import answer_to
from fedlens.simulation.callback import Callback
from fedlens.simulation.engines.choice import Choice
from fedlens.simulation.rounds import federate
from fedlens.simulation.twin import Control


def record_rounds(
    directory: RunDirectory,
    setting: Setting,
    controls: Mapping[str, Control],
    choice: Choice,
    callback: Callback,
    *,
    twin: bool = False,
) -> tuple[list[RoundRecord], Summary]:
    """Play the rounds that `directory` lacks, record them with those of `controls` (by name), and finish it.

    Returns:
        All records, and the summary, as they are in the directory.

    Raises:
        ClientError: a client failed; earlier rounds are recorded.
        RunError: the directory cannot be written, or has been changed meanwhile.
    """
    experiment = setting.experiment
    state, records = directory.resume(experiment, lambda: setting.network().state())
    accuracy = records[-1].quality.accuracy if records else None
    if state is None or not (experiment.is_over(state.round, accuracy) or destroyed(records)):
        with choice.make() as engine:
            if remark := directory.started(_start(choice, setting)):
                callback.remark(remark)
            callback.begin(experiment, len(records), twin=twin)
            try:
                for result in federate(setting, engine, state, callback.clients):
                    state = result.state
                    record = beside(controls, result, setting)
                    records.append(directory.append(replace(result, record=record)))
                    callback.round(deepcopy(records[-1]) if is_custom(callback) else records[-1])
            except ClientError as error:
                directory.failed(error)
                raise
            finally:
                callback.end()
    assert state is not None
    if remark := directory.restored(state):
        callback.remark(remark)
    summary = summarise(experiment, records, setting.paper.stop, setting.dataset.classes)
    return records, directory.finish(state, summary)


def _start(choice: Choice, setting: Setting) -> StartRecord:
    """Describe by what the run is computed from here on."""
    return describe_environment(
        choice.arithmetic,
        engine=choice.name,
        reason=choice.reason,
        workers=choice.workers,
        device=str(setting.device),
    )


def beside(controls: Mapping[str, Control], result: RoundResult, setting: Setting) -> RoundRecord:
    """Return the round's record with that of the controls, given by name, and whether a goal is met against them."""
    record = result.record
    if setting.auxiliary is None and setting.goal is None:
        return record
    sides = {name: _side(control, result, setting) for name, control in controls.items()}
    twin, placebo = sides.get("control"), sides.get("placebo")
    if setting.goal is None:
        return replace(record, twin=twin, placebo=placebo)
    if placebo is not None:
        placebo = replace(placebo, goal_met=judged(setting.goal, placebo, twin))
    return replace(record, twin=twin, placebo=placebo, goal_met=judged(setting.goal, record, twin))


def _side(control: Control, result: RoundResult, setting: Setting) -> ControlRecord:
    """Return a control's values after a round, with what the experiment asks for besides accuracy."""
    round_, metrics = result.record.round, setting.experiment.metrics
    side = control.values(round_, setting.auxiliary)
    if setting.goal is not None and setting.goal.trains:
        side = replace(side, backdoor=answer_to(control, setting, round_, result.state.team))
    if not metrics:
        return side
    asked = measure(metrics, control.predictions(round_), setting.dataset.test.y)
    return replace(side, quality=replace(side.quality, metrics=side.quality.metrics | asked))
