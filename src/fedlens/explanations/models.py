"""The two models that an explanation compares: the attacked one and its benign twin."""

from contextlib import suppress
from pathlib import Path

from torch import nn

from fedlens.analysis.run_results import Run, sound_summary
from fedlens.core.errors import FedlensError, RunError
from fedlens.core.paths import cache_dir, private_cache
from fedlens.core.registry import describe
from fedlens.core.suggest import another
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting
from fedlens.runs.controls import CONTROLS, NamedControl, cache_path, read_controls
from fedlens.runs.loading import load_recorded
from fedlens.runs.reading import read_rounds
from fedlens.runs.weights import Which, kept_rounds, weights_of


def find_twin_of(run: Run, control: Path | None = None) -> Path:
    """Find the directory of the benign twin of `run`.

    Args:
        run: the attacked run.
        control: a benign twin or a run without attack, on the same data with the same model, to use instead of the
            run's own twin, which is in the cache.

    Raises:
        DamagedRunError: its twin, or the name of it, is damaged.
        RunError: `run` is not attacked, `control` is not comparable, or the run's twin is not in the cache, or it had
            none.
    """
    if run.experiment.attack is None:
        raise RunError(
            f"{run.path}: this is a run without attack; name an attacked one: fedlens explain RUN --control {run.path}"
        )
    if control is not None:
        _require_comparable(run, control)
        return control
    if run.records[0].twin is None:
        raise RunError(
            f"{run.path}: this run has no benign twin; name a run without attack by --control DIR, "
            f"or run it again: fedlens run {run.path} -o control=true --out {another(run.path)}"
        )
    controls = read_controls(run.path)
    twin = _search(run) if controls is None or controls.control is None else _named(run, controls.control)
    if twin is None:
        raise RunError(
            f"{run.path}: its benign twin is not in the cache any more ({cache_dir() / 'controls'}); "
            f"`fedlens run --resume --out {run.path}` trains it again and changes no round of the run, "
            f"`fedlens run {run.path} --out DIR` runs the experiment again and its twin with it, "
            "or name a run without attack by --control DIR"
        )
    return twin


def _named(run: Run, control: NamedControl) -> Path | None:
    """Return the directory of the twin that the run names; ``None`` if it is not in the cache, or not complete.

    Raises:
        DamagedRunError: it has changed since it was complete.
        RunError: it is another experiment's.
    """
    path = cache_path(control.key)
    if sound_summary(path) is None:
        return None
    if not _is_twin(path, run.experiment):
        raise RunError(
            f"{run.path / CONTROLS}: names {path}, which is the twin of another experiment; "
            f"run this one again: fedlens run {run.path} --out {another(run.path)}"
        )
    return path


def _search(run: Run) -> Path | None:
    """Search the cache for the twin of a run that names none, as version 0.1 wrote it, by what the run recorded of it.

    Returns:
        The twin with the same experiment and the same results that kept most weights; ``None`` if there is none.
    """
    paths = (summary.parent for summary in sorted(private_cache("controls").glob("[!.]*/summary.json")))
    twins = [path for path in paths if _has_recorded_rounds(path, run) and _is_twin(path, run.experiment)]
    return max(twins, key=lambda path: len(kept_rounds(path)), default=None)


def load_models(run: Run, twin: Path, setting: Setting, round_: int | None = None) -> tuple[nn.Module, nn.Module]:
    """Load the benign model and the attacked one, on the setting's device, in evaluation mode.

    Args:
        run: the attacked run.
        twin: the twin's directory, as of `find_twin_of`.
        setting: of the run's experiment.
        round_: the round after which to take both; by default each after its last.

    Raises:
        RunError: one of them has no such round, did not keep its weights, or is not finished; or they do not fit the
            model.
    """
    which: Which = "final" if round_ is None else round_
    return load_model(twin, which, setting), load_model(run.path, which, setting)


def load_model(path: Path, which: Which, setting: Setting) -> nn.Module:
    """Load the global model of the run in `path` after the round `which`, on the setting's device, in evaluation mode.

    Raises:
        RunError: the run has no such round, did not keep its weights, or is not finished; or they do not fit the model.
    """
    weights, network = weights_of(path, which), setting.network()
    if weights.shape != (network.layout.size,):
        raise RunError(
            f"{path}: has {len(weights)} weights, but its model has {network.layout.size} now; was its code changed?"
        )
    network.load(weights)
    return network.module


def _require_comparable(run: Run, control: Path) -> None:
    """Refuse a control that is attacked itself, or whose data or model differ from the run's."""
    if not (control / "experiment.yaml").is_file():
        raise RunError(f"--control {control}: no run is there (it has no experiment.yaml); leave --control out")
    theirs, ours = load_recorded(control), run.experiment
    if theirs.attack is not None:
        raise RunError(
            f"--control {control}: this run is attacked itself; make one: fedlens run {run.path} -o attack=none"
        )
    pairs = [("data", theirs.data, ours.data), ("model", theirs.model, ours.model)]
    described = [(kind, describe(kind, their), describe(kind, our)) for kind, their, our in pairs]
    if different := [f"{kind} {their}, not {our}" for kind, their, our in described if their != our]:
        why = f"it has {'; '.join(different)}; leave --control out"
        raise RunError(f"--control {control}: cannot be compared with {run.path}: {why}")


def _has_recorded_rounds(path: Path, run: Run) -> bool:
    """Tell whether the rounds in `path` are those that the run recorded as its control's."""
    with suppress(FedlensError):
        theirs = read_rounds(path)[: len(run.records)]
        twins = [record.twin.quality if record.twin else None for record in run.records]
        return repr([record.quality for record in theirs]) == repr(twins)  # for NaN does not equal itself
    return False


def _is_twin(path: Path, experiment: Experiment) -> bool:
    """Tell whether the run in `path` is this experiment's twin; it says how many samples were set apart by default."""
    with suppress(FedlensError):
        recorded = load_recorded(path)
        if experiment.validation is None and experiment.set_apart and recorded.validation is not None:
            experiment = experiment.model_copy(update={"validation": recorded.validation})
        return recorded.identity() == experiment.twin().identity()
    return False
