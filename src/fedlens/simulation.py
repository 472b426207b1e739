"""Running experiments: in memory (`simulate`) or into a directory (`run`)."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

from fedlens.control import Control, cached, find_control, keep, key
from fedlens.custom import copy_tensors, is_custom
from fedlens.errors import ClientError, ConfigError
from fedlens.experiment import Experiment
from fedlens.federation.engines import choose_engine
from fedlens.federation.engines.choice import Choice
from fedlens.federation.engines.engine import EngineName
from fedlens.federation.record import RoundResult
from fedlens.federation.rounds import federate
from fedlens.federation.setting import Setting
from fedlens.means import Means
from fedlens.observer import Observer, Silent
from fedlens.opening import find_opening
from fedlens.parts import require_code, require_findable
from fedlens.runs.directory import RunDirectory
from fedlens.runs.environment import describe_environment
from fedlens.runs.load import Run, load_run
from fedlens.runs.places import resumable, unused
from fedlens.runs.reading import keeps_predictions
from fedlens.runs.records import destroyed, malformed
from fedlens.runs.summary import summarise
from fedlens.runs.twin import leaves_twin, twin_files


def simulate(
    experiment: Experiment,
    *,
    engine: EngineName = "auto",
    workers: int | None = None,
    device: str = "cpu",
    data_dir: Path | None = None,
    address: str | None = None,
    mixed_cpus: bool = False,
) -> Iterator[RoundResult]:
    """Run `experiment` in memory, a round at a time; its benign twin, if it needs one, is kept in the cache.

    Yields:
        A result a round, with the record and a copy of the global weights.

    Raises:
        FedlensError: the experiment cannot be run as it is.
    """
    means = Means(engine, workers, device, data_dir, address, mixed_cpus)
    setting = _prepare(experiment, means)
    with means.cluster(experiment) as cluster:
        choice = choose_engine(means.engine, means.workers, setting, cluster)
        setting, control = _settle(setting, choice, Silent())
        first = find_opening(setting, choice) if control is not None else None
        with choice.make() as workforce:
            yield from map(copy_tensors, federate(setting, workforce, first=first))


def run(
    experiment: Experiment,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    keep_weights: bool = False,
    engine: EngineName = "auto",
    workers: int | None = None,
    device: str = "cpu",
    data_dir: Path | None = None,
    address: str | None = None,
    mixed_cpus: bool = False,
    observer: Observer | None = None,
) -> Run:
    """Run `experiment` into a directory.

    Args:
        experiment: what to run.
        out: the directory; by default the first free one of ``runs/NAME``, ``runs/NAME-2``, ...
        resume: go on with the run in `out` (by default the latest of this experiment) from where it was interrupted.
        keep_weights: keep the global weights of every round (`Run.weights`), and the benign twin's; a run that was
            begun so goes on so.
        engine: who does the work: ``serial``, ``processes``, ``vectorised``, ``ray``, or ``auto``.
        workers: number of worker processes; one a core by default.
        device: where PyTorch computes.
        data_dir: where the user keeps data files.
        address: of the Ray cluster for engine ``ray``; see `fedlens.cluster.connected`.
        mixed_cpus: whether the processors of that cluster may differ.
        observer: is told what happens.

    Returns:
        The run, as `load_run` gives it.

    Raises:
        FedlensError: the experiment cannot be run as it is, or a client failed; all rounds recorded so far are intact.
    """
    path = resumable(experiment, out) if resume else unused(experiment, out)
    means = Means(engine, workers, device, data_dir, address, mixed_cpus)
    play(experiment, path, means, observer or Silent(), resume, keep_weights=keep_weights)
    return replace(load_run(path), experiment=experiment)


def play(
    experiment: Experiment, path: Path, means: Means, observer: Observer, resume: bool, *, keep_weights: bool = False
) -> None:
    """Play what is left of `experiment` into the directory `path`.

    Raises:
        FedlensError: as `run`.
    """
    setting = _prepare(experiment, means)
    with means.cluster(experiment) as cluster:
        choice = choose_engine(means.engine, means.workers, setting, cluster)
        leaves = leaves_twin(experiment) and keeps_predictions(path)
        with RunDirectory(path, keep_predictions=leaves, keep_weights=keep_weights) as directory:
            directory.begin(experiment, resume=resume)
            setting, control = _settle(setting, choice, observer, keep_weights=directory.keep_weights)
            assert setting.auxiliary is not None
            auxiliary = {name: getattr(setting.auxiliary, name).tolist() for name in ("index", "true", "target")}
            directory.note_target({**auxiliary, "classes": list(setting.dataset.classes)})
            _record(directory, setting, control, choice, observer)
        if leaves:
            _leave_twin(setting, choice.arithmetic, path)


def _prepare(experiment: Experiment, means: Means) -> Setting:
    """The setting, known to be possible with its model and target before any work is done."""
    setting = means.prepare(experiment)
    setting.network()
    setting.with_target(None)
    for kind, part in experiment.parts():
        require_code(kind, part)
        require_findable(kind, part)
    return setting


def _settle(
    setting: Setting, choice: Choice, observer: Observer, *, keep_weights: bool = False
) -> tuple[Setting, Control | None]:
    """The setting with its target chosen, and the benign twin, on the same engine, where there is one."""
    experiment = setting.experiment
    if not experiment.needs_twin:
        return setting.with_target(None), None
    control = _control(setting, choice, observer, keep_weights=keep_weights)
    drawn_from_all = experiment.target.index is not None or experiment.target.select == "random"
    if (round_ := destroyed(control.records)) is not None and drawn_from_all:
        observer.remark(f"benign twin: no control, for without attack the model is not finite after round {round_}")
        return setting.with_target(None), None
    try:
        return setting.with_target(None if drawn_from_all else control.last), control
    except ConfigError as error:
        if round_ is None and not any(map(malformed, control.records)):
            raise
        raise ConfigError(
            f"{error}; without attack, clients sent updates, or the model has weights, that are not finite: "
            "try a lower local.learning_rate"
        ) from None


def _control(setting: Setting, choice: Choice, observer: Observer, *, keep_weights: bool = False) -> Control:
    twin = replace(setting, experiment=setting.experiment.twin())

    def make(path: Path) -> None:
        with RunDirectory(path, keep_predictions=True, keep_weights=keep_weights, in_cache=True) as directory:
            directory.begin(twin.experiment, resume=False)
            _record(directory, twin, None, choice, observer, twin=True)

    return find_control(setting, choice.arithmetic, make, observer, keep_weights=keep_weights)


def make_twin(experiment: Experiment, means: Means, observer: Observer) -> Path:
    """The benign twin of `experiment`, whatever its target is: its run directory, in the cache.

    Raises:
        FedlensError: it cannot be made.
    """
    setting = means.prepare(experiment)
    return _control(setting, choose_engine(means.engine, means.workers, setting), observer).path


def find_twin(experiment: Experiment, means: Means) -> Path | None:
    """The same where it is complete already, else ``None``."""
    setting = means.prepare(experiment)
    return cached(setting, choose_engine(means.engine, means.workers, setting).arithmetic)


def _leave_twin(setting: Setting, arithmetic: str, run: Path) -> None:
    """Put the benign twin that a complete run without attack is into the cache, unless it is there."""
    if cached(setting, arithmetic) is None:
        twin, dataset = setting.experiment.twin(), setting.dataset
        keep(key(setting, arithmetic), twin_files(run, twin, dataset.paper_stop, dataset.classes), twin)


def leave_twin(run: Run, means: Means) -> None:
    """The same for a run that was made earlier, here or elsewhere; nothing if it has not kept its predictions.

    Raises:
        FedlensError: its files are damaged, or its data cannot be had.
    """
    if leaves_twin(run.experiment) and keeps_predictions(run.path):
        setting = means.prepare(run.experiment)
        _leave_twin(setting, choose_engine(means.engine, means.workers, setting).arithmetic, run.path)


def _record(
    directory: RunDirectory,
    setting: Setting,
    control: Control | None,
    choice: Choice,
    observer: Observer,
    *,
    twin: bool = False,
) -> None:
    """Play the rounds that `directory` lacks, and finish it."""
    experiment = setting.experiment
    state, records = directory.resume()
    accuracy = records[-1]["quality"]["accuracy"] if records else None
    if state is None or not (experiment.is_over(state.round, accuracy) or destroyed(records)):
        with choice.make() as engine:
            used = {
                "engine": choice.name,
                "reason": choice.reason,
                "workers": choice.workers,
                "device": str(setting.device),
            }
            if remark := directory.started(describe_environment(choice.arithmetic) | used):
                observer.remark(remark)
            observer.begin(experiment, len(records), twin=twin)
            try:
                shares = state is None and (control is not None or directory.keep_predictions)
                first = find_opening(setting, choice) if shares else None
                for result in federate(setting, engine, state, observer.clients, first):
                    auxiliary, state = setting.auxiliary, result.state
                    beside = control.beside(state.round, auxiliary) if control and auxiliary else None
                    records.append(directory.append(result, beside))
                    observer.round(deepcopy(records[-1]) if is_custom(observer) else records[-1])
            except ClientError as error:
                directory.failed(error)
                raise
            finally:
                observer.end()
    assert state is not None
    directory.finish(state, summarise(experiment, records, setting.dataset.paper_stop, setting.dataset.classes))
