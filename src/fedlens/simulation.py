"""Running experiments: in memory (`simulate`) or into a directory (`run`)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from fedlens.cluster import Cluster, connected, modules_of
from fedlens.control import Control, find_control
from fedlens.errors import ClientError, ConfigError
from fedlens.experiment import Experiment
from fedlens.federation.engines import choose_engine
from fedlens.federation.engines.choice import Choice
from fedlens.federation.engines.engine import EngineName
from fedlens.federation.record import RoundResult
from fedlens.federation.rounds import federate
from fedlens.federation.setting import Setting, prepare
from fedlens.observer import Observer, Silent
from fedlens.parts import require_findable
from fedlens.runs.directory import RunDirectory
from fedlens.runs.environment import describe_environment
from fedlens.runs.load import Run, load_run
from fedlens.runs.places import resumable, unused
from fedlens.runs.summary import summarise


@dataclass(frozen=True)
class Means:
    """By what means to run; none of it changes the result, beyond rounding on another device or by ``vectorised``.

    Attributes:
        engine: ``serial``, ``processes``, ``vectorised``, ``ray``, or ``auto``, which takes the one of the first three
            that is likely to be the fastest.
        workers: worker processes; one a core by default.
        device: where PyTorch computes.
        data_dir: where the user keeps data files.
        address: of the Ray cluster, as in `fedlens.cluster.connected`.
        mixed_cpus: whether the processors of that cluster may differ.
    """

    engine: EngineName = "auto"
    workers: int | None = None
    device: str = "cpu"
    data_dir: Path | None = None
    address: str | None = None
    mixed_cpus: bool = False

    def cluster(self, experiment: Experiment) -> AbstractContextManager[Cluster | None]:
        """The cluster to be connected to, with the modules of `experiment` on it; ``None`` for the other engines.

        Raises:
            ConfigError: there is a cluster's option without a cluster, or it cannot be had.
        """
        if self.engine == "ray":
            modules = modules_of(part for _, part in experiment.parts())
            return connected(self.address, self.workers, modules, self.mixed_cpus)
        if self.address is not None or self.mixed_cpus:
            raise ConfigError("--address and --mixed-cpus are for --engine ray")
        return nullcontext()


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
        A result a round, with the record and the global weights.

    Raises:
        FedlensError: the experiment cannot be run as it is.
    """
    means = Means(engine, workers, device, data_dir, address, mixed_cpus)
    setting = _prepare(experiment, means)
    with means.cluster(experiment) as cluster:
        choice = choose_engine(means.engine, means.workers, setting, cluster)
        setting, _ = _settle(setting, choice, Silent())
        with choice.make() as workforce:
            yield from federate(setting, workforce)


def run(
    experiment: Experiment,
    out: str | Path | None = None,
    *,
    resume: bool = False,
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
    _play(experiment, path, means, observer or Silent(), resume)
    return load_run(path)


def _play(experiment: Experiment, path: Path, means: Means, observer: Observer, resume: bool) -> None:
    """Play what is left of `experiment` into the directory `path`."""
    setting = _prepare(experiment, means)
    with means.cluster(experiment) as cluster:
        choice = choose_engine(means.engine, means.workers, setting, cluster)
        with RunDirectory(path) as directory:
            directory.begin(experiment, resume=resume)
            setting, control = _settle(setting, choice, observer)
            assert setting.auxiliary is not None
            auxiliary = {name: getattr(setting.auxiliary, name).tolist() for name in ("index", "true", "target")}
            directory.note_target({**auxiliary, "classes": list(setting.dataset.classes)})
            _record(directory, setting, control, choice, observer)


def _prepare(experiment: Experiment, means: Means) -> Setting:
    """The setting, known to be possible with its model and target before any work is done."""
    setting = prepare(experiment, means.device, means.data_dir)
    setting.network()
    setting.with_target(None)
    for kind, part in experiment.parts():
        require_findable(kind, part)
    return setting


def _settle(setting: Setting, choice: Choice, observer: Observer) -> tuple[Setting, Control | None]:
    """The setting with its target chosen, and the benign twin, on the same engine, where there is one."""
    experiment = setting.experiment
    if not experiment.needs_twin:
        return setting.with_target(None), None
    twin = replace(setting, experiment=experiment.twin())

    def make(path: Path) -> None:
        with RunDirectory(path, keep_predictions=True) as directory:
            directory.begin(twin.experiment, resume=False)
            _record(directory, twin, None, choice, observer)

    control = find_control(setting, choice.arithmetic, make, observer)
    drawn_from_all = experiment.target.index is not None or experiment.target.select == "random"
    return setting.with_target(None if drawn_from_all else control.last), control


def _record(
    directory: RunDirectory, setting: Setting, control: Control | None, choice: Choice, observer: Observer
) -> None:
    """Play the rounds that `directory` lacks, and finish it."""
    experiment = setting.experiment
    state, records = directory.resume()
    accuracy = records[-1]["quality"]["accuracy"] if records else None
    if state is None or not experiment.is_over(state.round, accuracy):
        with choice.make() as engine:
            used = {
                "engine": choice.name,
                "reason": choice.reason,
                "workers": choice.workers,
                "device": str(setting.device),
            }
            if remark := directory.started(describe_environment(choice.arithmetic) | used):
                observer.remark(remark)
            observer.begin(experiment, len(records), twin=directory.keep_predictions)
            try:
                for result in federate(setting, engine, state, observer.clients):
                    auxiliary, state = setting.auxiliary, result.state
                    beside = control.beside(state.round, auxiliary) if control and auxiliary else None
                    records.append(directory.append(result, beside))
                    observer.round(records[-1])
            except ClientError as error:
                directory.failed(error)
                raise
            finally:
                observer.end()
    assert state is not None
    directory.finish(state, summarise(experiment, records, setting.dataset.paper_stop, setting.dataset.classes))
