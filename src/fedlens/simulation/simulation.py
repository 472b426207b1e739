"""Running experiments: in memory (`simulate`) or into a directory (`run`)."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

from fedlens.analysis.run_results import Run, load_run
from fedlens.analysis.summary import summarise
from fedlens.core.code import digest
from fedlens.core.custom import copy_tensors, is_custom
from fedlens.core.engine_name import EngineName
from fedlens.core.errors import ClientError, ConfigError, DataError, UnjudgedError
from fedlens.core.numerics import BITS
from fedlens.core.registry import require_code, require_findable, warn_of_session
from fedlens.core.staying import staying
from fedlens.experiment.experiment import Experiment, control_name
from fedlens.experiment.setting import Setting
from fedlens.goals.success import TargetSamples
from fedlens.goals.target_samples import has_learnt
from fedlens.runs.controls import CONTROLS
from fedlens.runs.controls import content_of as content_of_controls
from fedlens.runs.directory import RunDirectory
from fedlens.runs.environment import describe_environment
from fedlens.runs.metadata import TargetRecord
from fedlens.runs.ownership import is_ours
from fedlens.runs.places import resumable, unused
from fedlens.runs.reading import keeps_predictions
from fedlens.runs.record import RoundRecord, RoundResult
from fedlens.runs.record_values import destroyed
from fedlens.runs.start import Start, read_start
from fedlens.runs.unjudged import FILE as UNJUDGED
from fedlens.runs.unjudged import content_of
from fedlens.simulation.callback import Callback, callback_of
from fedlens.simulation.engines import choose_engine
from fedlens.simulation.engines.choice import SIDE_BY_SIDE, Choice
from fedlens.simulation.leaving import leaves_twin, twin_files
from fedlens.simulation.rounds import federate
from fedlens.simulation.runtime import Runtime
from fedlens.simulation.twin import Control, cached, find_control, keep, key


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
        twin = _control(setting, setting.experiment.twin(), choice, Callback()) if experiment.needs_twin else None
        setting = _aimed(setting, twin)
        controls = {"control": twin} if twin is not None and experiment.attack is not None else {}
        with choice.make() as workforce:
            for result in federate(setting, workforce):
                record = _beside(controls, result.record, setting.auxiliary)
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
    if resume and (start := read_start(path)) is not None:
        device = device or start.device
        if data_dir is None and start.data_dir is not None and is_ours(path / "experiment.yaml"):
            data_dir = Path(start.data_dir)
    runtime = Runtime(engine, workers, device or "cpu", data_dir, address, mixed_cpus, client_timeout)
    warn_of_session(experiment.parts())
    play(experiment, path, runtime, callback_of(observer), resume, keep_weights=keep_weights)
    return replace(load_run(path), experiment=experiment)


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
) -> None:
    """Play the remaining rounds of `experiment` into the directory `path`.

    An experiment that cannot be judged leaves no files, or only a note if `note_unjudged` (`fedlens.runs.unjudged`).

    Raises:
        FedlensError: as `run`.
    """
    runtime = runtime.as_begun(path) if resume else runtime
    setting = _prepare(experiment, runtime)
    with runtime.cluster(experiment) as cluster:
        choice = choose_engine(runtime.engine, runtime.workers, setting, cluster)
        leaves = leaves_twin(experiment) and keeps_predictions(path)
        with RunDirectory(path, keep_predictions=leaves, keep_weights=keep_weights) as directory:
            directory.begin(experiment, resume=resume, start=_start(experiment, runtime, choice))
            code = digest(type(part) for _, part in experiment.parts())
            if remark := directory.compare({**setting.digests(), "code": code}):
                callback.remark(remark)
            controls = {}
            try:
                for name, control in setting.experiment.controls.items():
                    weights = directory.keep_weights and name == "control"
                    controls[name] = _control(setting, control, choice, callback, keep_weights=weights)
                setting = _aimed(setting, controls.get("control"))
            except (ConfigError, DataError) as error:  # the run can never begin
                if note_unjudged and isinstance(error, UnjudgedError):
                    directory.note(UNJUDGED, content_of(error, str(BITS)))
                else:
                    directory.abandon()
                raise
            assert setting.auxiliary is not None
            samples, classes = setting.auxiliary, list(setting.dataset.classes)
            index, true, target = (tensor.tolist() for tensor in (samples.index, samples.true, samples.target))
            directory.note_target(TargetRecord(index, true, target, classes))
            if controls:
                directory.note(CONTROLS, content_of_controls({name: one.path.name for name, one in controls.items()}))
            _record(directory, setting, _sound(controls, callback), choice, callback)
        if leaves:
            _leave_twin(setting, choice.arithmetic, path)


def _start(experiment: Experiment, runtime: Runtime, choice: Choice) -> Start:
    """Describe the runtime of a new run, so that it can be resumed with the same."""
    depends = choice.stack is not None and choice.arithmetic != SIDE_BY_SIDE
    return Start.of(
        experiment,
        engine=choice.name,
        workers=choice.workers if depends else runtime.workers,
        device=None if runtime.device == "cpu" else runtime.device,
        data_dir=None if runtime.data_dir is None else str(runtime.data_dir.resolve()),
        mixed_cpus=runtime.mixed_cpus,
    )


def _prepare(experiment: Experiment, runtime: Runtime) -> Setting:
    """Prepare the setting; check its model, target and custom code before any work is done."""
    setting = runtime.prepare(experiment)
    setting.try_model()
    setting.with_target(None)
    for kind, part in experiment.parts():
        require_code(kind, part)
        require_findable(kind, part)
    return setting


def _aimed(setting: Setting, twin: Control | None) -> Setting:
    """Choose the setting's target samples, by default among those that its benign twin, if any, gets right."""
    target = setting.experiment.target
    if twin is None or target.index is not None or target.select == "random":
        return setting.with_target(None)
    if target.select is None and twin.silent is not None and destroyed(twin.records) is None:
        return setting.with_target(None)  # a model that answers NaN by its nature gets no sample right
    try:
        return setting.with_target(twin.last)
    except UnjudgedError as error:
        raise _unjudged(setting, twin, error) from None


def _unjudged(setting: Setting, twin: Control, error: UnjudgedError) -> UnjudgedError:
    """Extend the error by the twin's condition and by remedies; another seed is none before anything is learnt."""
    experiment = setting.experiment
    if destroyed(twin.records) is not None or any(record.malformed for record in twin.records):
        reason = "without attack, clients sent updates, or the model has weights, that are not finite"
        rate = experiment.local.learning_rate / 10
        return UnjudgedError(f"{error.reason}: {reason}", [f"learn more slowly, e.g. -o local.learning_rate={rate:g}"])
    rounds = max(2 * experiment.rounds, experiment.rounds + 5)
    remedies = [f"train for longer, e.g. -o rounds={rounds}"]
    if has_learnt(twin.last, setting.dataset):
        remedies.append(f"take another seed, e.g. -o seed={experiment.seed + 1}")
    return UnjudgedError(error.reason, [*remedies, *error.remedies])


def _sound(controls: Mapping[str, Control], callback: Callback) -> dict[str, Control]:
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


def _control(
    setting: Setting, control: Experiment, choice: Choice, callback: Callback, *, keep_weights: bool = False
) -> Control:
    """Make or load the benign twin or placebo `control` of the setting's experiment, on the same engine."""
    control_setting = replace(setting, experiment=control)

    def make(path: Path) -> None:
        with RunDirectory(path, keep_predictions=True, keep_weights=keep_weights) as directory:
            directory.begin(control, resume=False)
            _record(directory, control_setting, {}, choice, callback, twin=True)

    try:
        return find_control(control_setting, choice.arithmetic, make, callback, keep_weights=keep_weights)
    except ClientError as error:
        if not control.absent:
            raise
        explained = ClientError(
            f"placebo ({control_name(control)}): {error}; a new run with -o placebo=false does without"
        )
        for note in getattr(error, "__notes__", []):
            explained.add_note(note)
        raise explained from error


def make_control(control: Experiment, runtime: Runtime, callback: Callback) -> Path:
    """Make a benign twin or placebo in the cache, for any target; return its run directory.

    Raises:
        FedlensError: it cannot be made.
    """
    setting = runtime.prepare(control)
    setting.try_model()
    return _control(setting, control, choose_engine(runtime.engine, runtime.workers, setting), callback).path


def cached_control(control: Experiment, runtime: Runtime) -> Path | None:
    """Return the run directory of a cached benign twin or placebo; ``None`` if it is not complete."""
    setting = runtime.prepare(control)
    return cached(setting, choose_engine(runtime.engine, runtime.workers, setting).arithmetic)


def _leave_twin(setting: Setting, arithmetic: str, run: Path) -> None:
    """Put a complete run without attack into the cache as its benign twin, unless there is one."""
    twin, dataset = setting.experiment.twin(), setting.dataset
    twin_setting = replace(setting, experiment=twin)
    if cached(twin_setting, arithmetic) is None:
        keep(key(twin_setting, arithmetic), twin_files(run, twin, dataset.paper_stop, dataset.classes), twin)


def leave_twin(run: Run, runtime: Runtime) -> None:
    """Put an earlier run without attack into the cache as its benign twin, if it has its predictions.

    Raises:
        FedlensError: its files are damaged, or its data are not available.
    """
    if leaves_twin(run.experiment) and keeps_predictions(run.path):
        setting = runtime.prepare(run.experiment)
        _leave_twin(setting, choose_engine(runtime.engine, runtime.workers, setting).arithmetic, run.path)


def _record(
    directory: RunDirectory,
    setting: Setting,
    controls: Mapping[str, Control],
    choice: Choice,
    callback: Callback,
    *,
    twin: bool = False,
) -> None:
    """Play the rounds that `directory` lacks, record them with those of `controls` (by name), and finish it."""
    experiment = setting.experiment
    state, records = directory.resume(experiment, lambda: setting.network().vector)
    accuracy = records[-1].quality.accuracy if records else None
    if state is None or not (experiment.is_over(state.round, accuracy) or destroyed(records)):
        with choice.make() as engine:
            start = describe_environment(
                choice.arithmetic,
                engine=choice.name,
                reason=choice.reason,
                workers=choice.workers,
                device=str(setting.device),
            )
            if remark := directory.started(start):
                callback.remark(remark)
            callback.begin(experiment, len(records), twin=twin)
            try:
                for result in federate(setting, engine, state, callback.clients):
                    state = result.state
                    records.append(_beside(controls, result.record, setting.auxiliary))
                    directory.append(replace(result, record=records[-1]))
                    callback.round(deepcopy(records[-1]) if is_custom(callback) else records[-1])
            except ClientError as error:
                directory.failed(error)
                raise
            finally:
                callback.end()
    assert state is not None
    directory.finish(state, summarise(experiment, records, setting.dataset.paper_stop, setting.dataset.classes))


def _beside(controls: Mapping[str, Control], record: RoundRecord, target_samples: TargetSamples | None) -> RoundRecord:
    """Return the record with the same round of its controls."""
    if target_samples is None:
        return record
    sides = {name: control.values(record.round, target_samples) for name, control in controls.items()}
    return replace(record, twin=sides.get("control"), placebo=sides.get("placebo"))
