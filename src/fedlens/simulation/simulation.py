"""Running experiments: in memory (`simulate`) or into a directory (`run`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fedlens.analysis.run_results import Run
from fedlens.core.code import digest
from fedlens.core.custom import copy_tensors
from fedlens.core.engine_name import EngineName
from fedlens.core.errors import ConfigError, DataError, UnjudgedError
from fedlens.core.numerics import BITS
from fedlens.core.registry import describe, require_code, require_findable, warn_of_session
from fedlens.core.staying import staying
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting
from fedlens.runs.data_directory import remember
from fedlens.runs.directory import RunDirectory
from fedlens.runs.metadata import TargetRecord
from fedlens.runs.places import resumable, unused
from fedlens.runs.reading import keeps_predictions
from fedlens.runs.round_result import RoundResult
from fedlens.runs.start import Start
from fedlens.runs.unjudged import FILE as UNJUDGED
from fedlens.runs.unjudged import content_of
from fedlens.simulation.aiming import aimed
from fedlens.simulation.callback import Callback, callback_of
from fedlens.simulation.controls import controls_of, find_or_make, leave_as_twin, sound
from fedlens.simulation.engines import choose_engine
from fedlens.simulation.engines.choice import SIDE_BY_SIDE, Choice
from fedlens.simulation.record_rounds import beside, record_rounds
from fedlens.simulation.rounds import federate
from fedlens.simulation.runtime import Runtime


def simulate(
    experiment: Experiment,
    *,
    engine: EngineName = "auto",
    workers: int | None = None,
    device: str = "cpu",
    data_dir: Path | None = None,
    address: str | None = None,
    mixed_cpus: bool = False,
    client_timeout: float | None = None,
) -> Iterator[RoundResult]:
    """Run `experiment` in memory, a round at a time; its benign twin, if needed, goes to the cache.

    Yields:
        A result per round, with the record (and the twin's, but no placebo's) and a copy of the global weights.

    Raises:
        FedlensError: the experiment cannot be run as it is.

    Example:
        >>> import fedlens
        >>> experiment = fedlens.Experiment(data="digits", rounds=2, local={"epochs": 1})
        >>> for result in fedlens.simulate(experiment, engine="serial"):
        ...     print(result.record.round, result.record.cohort)
        1 [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        2 [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    runtime = Runtime(engine, workers, device, data_dir, address, mixed_cpus, client_timeout)
    setting = _prepare(experiment, runtime)
    with runtime.cluster(experiment) as cluster:
        choice = choose_engine(runtime.engine, runtime.workers, setting, cluster)
        twin = find_or_make(setting, setting.experiment.twin(), choice, Callback()) if experiment.needs_twin else None
        setting = aimed(setting, twin)
        controls = {"control": twin} if twin is not None and experiment.attack is not None else {}
        with choice.make() as workforce:
            for result in federate(setting, workforce):
                record = beside(controls, result, setting)
                yield copy_tensors(replace(result, record=record))


def run(
    experiment: Experiment,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    keep_weights: bool = False,
    engine: EngineName = "auto",
    workers: int | None = None,
    device: str | None = None,
    data_dir: Path | None = None,
    address: str | None = None,
    mixed_cpus: bool = False,
    client_timeout: float | None = None,
    observer: Callback | None = None,
) -> Run:
    """Run `experiment` into a directory.

    Args:
        experiment: what to run.
        out: the directory; by default the first free one of ``runs/NAME``, ``runs/NAME-2``, ...
        resume: resume the run in `out` (by default the latest of this experiment) where it was interrupted; engine,
            device and data files are those that it began with, unless given.
        keep_weights: keep the global weights of every round (`Run.weights`), and the benign twin's; a resumed
            run that kept them continues to.
        engine: ``serial``, ``processes``, ``vectorised``, ``ray``, or ``auto``.
        workers: number of worker processes; one per core by default.
        device: where PyTorch computes; the CPU by default.
        data_dir: where the user keeps data files.
        address: of the Ray cluster for engine ``ray``; see `fedlens.cluster.connection.connected`.
        mixed_cpus: whether the processors of that cluster may differ.
        client_timeout: seconds that a client, a check, the rule or other custom code may take; then the run fails, and
            can be resumed. Unlimited by default.
        observer: called as the run goes on.

    Returns:
        The run, as `load_run` gives it.

    Raises:
        FedlensError: the experiment cannot be run as it is, or a client failed; all rounds recorded so far are intact.

    Example:
        >>> import fedlens
        >>> experiment = fedlens.Experiment(name="mine", data="digits", rounds=1, local={"epochs": 1})
        >>> run = fedlens.run(experiment, "runs/mine", engine="serial")
        >>> len(run.records), run.weights().shape
        (1, torch.Size([85002]))
    """
    path = resumable(experiment, out) if resume else unused(experiment, out)
    runtime = Runtime(engine, workers, device, data_dir, address, mixed_cpus, client_timeout)
    warn_of_session(experiment.components())
    return play(experiment, path, runtime, callback_of(observer), resume, keep_weights=keep_weights)


@staying("the run")
def play(
    experiment: Experiment,
    path: Path,
    runtime: Runtime,
    callback: Callback,
    resume: bool,
    *,
    keep_weights: bool = False,
    note_unjudged: bool = False,
) -> Run:
    """Play the remaining rounds of `experiment` into the directory `path`, which has been chosen.

    An experiment that cannot be judged leaves no files, or only a note if `note_unjudged` (`fedlens.runs.unjudged`).

    Returns:
        The run, from what has been written; only its `experiment` may differ from `load_run`'s, which imports no code.

    Raises:
        FedlensError: as `run`.
    """
    runtime = runtime.as_begun(path) if resume else runtime
    setting = _prepare(experiment, runtime)
    with runtime.cluster(experiment) as cluster:
        choice = choose_engine(runtime.engine, runtime.workers, setting, cluster)
        leaves = experiment.leaves_twin and keeps_predictions(path)
        with RunDirectory(path, keep_predictions=leaves, keep_weights=keep_weights) as directory:
            directory.begin(experiment, resume=resume, start=_start(experiment, runtime, choice))
            if runtime.data_dir is not None:
                remember(path, runtime.data_dir)
            if remark := directory.compare(setting.digests() | {"code": _code(experiment)}):
                callback.remark(remark)
            with _refused(directory, note_unjudged=note_unjudged):
                controls = controls_of(setting, choice, callback, keep_weights=directory.keep_weights)
                setting = aimed(setting, controls.get("control"))
            target = target_of(setting)
            if remark := directory.note_target(target):
                callback.remark(remark)
            directory.note_controls({name: control.path.name for name, control in controls.items()})
            records, summary = record_rounds(directory, setting, sound(controls, callback), choice, callback)
        if leaves:
            leave_as_twin(setting, choice.arithmetic, path)
    return Run(path, experiment, records, target, summary)


def _start(experiment: Experiment, runtime: Runtime, choice: Choice) -> Start:
    """Describe the runtime of a new run, so that it can be resumed with the same."""
    depends = choice.stack is not None and choice.arithmetic != SIDE_BY_SIDE
    return Start.of(
        experiment,
        engine=choice.name,
        workers=choice.workers if depends else runtime.workers,
        device=None if runtime.device == "cpu" else runtime.device,
        mixed_cpus=runtime.mixed_cpus,
    )


def _prepare(experiment: Experiment, runtime: Runtime) -> Setting:
    """Prepare the setting; check its model, target and custom code before any work is done."""
    setting = runtime.prepare(experiment)
    setting.try_model()
    setting.with_target(None)
    for kind, component in experiment.components():
        require_code(kind, component)
        require_findable(kind, component)
    return setting


def _code(experiment: Experiment) -> str:
    """Digest the code of the user's own components."""
    return digest(experiment.code_behind)


@contextmanager
def _refused(directory: RunDirectory, *, note_unjudged: bool) -> Iterator[None]:
    """Leave no files of a run that can never begin, or only a note why it cannot be judged."""
    try:
        yield
    except (ConfigError, DataError) as error:
        if note_unjudged and isinstance(error, UnjudgedError):
            directory.note(UNJUDGED, content_of(error, str(BITS)))
        else:
            directory.abandon()
        raise


def target_of(setting: Setting) -> TargetRecord:
    """Describe the chosen target samples, or the goal as fitted to the data."""
    samples, classes = setting.auxiliary, list(setting.dataset.classes)
    if samples is None:
        assert setting.goal is not None
        return TargetRecord([], [], [], classes, describe("goal", setting.goal))
    index, true, target_classes = (tensor.tolist() for tensor in (samples.index, samples.true, samples.target))
    return TargetRecord(index, true, target_classes, classes)
