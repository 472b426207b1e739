"""What the cells of a sweep tested, in words: the data, the model, the clients, the attack, the server."""

from collections.abc import Callable, Iterable

from fedlens.core.registry import name_of
from fedlens.experiment.cell import label
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.flat import value_of
from fedlens.report.html.opening import clients_words
from fedlens.report.words import attack_name, attackers_words
from fedlens.runs.record_values import targeted

LISTED = 6
"""So many things are named where cells differ."""


def sides_tested(experiments: Iterable[Experiment]) -> list[tuple[str, str]]:
    """List what was tested, a name and words for each aspect, with all values that cells have of it."""
    every = list({experiment.identity(): experiment for experiment in experiments}.values())
    sides: dict[str, Callable[[Experiment], str]] = {
        "data": _data,
        "model": lambda experiment: name_of("model", experiment.model),
        "clients": _clients,
        "attack": _attack,
        "target": _target,
        "rule": lambda experiment: str(value_of(experiment, "aggregation")),
        "checks": lambda experiment: ", ".join(experiment.detectors) or "none",
    }
    return [(name, _listed(map(words, every))) for name, words in sides.items() if every]


def _listed(words: Iterable[str]) -> str:
    """List each of these once."""
    distinct = [word for word in dict.fromkeys(words) if word]
    more = f"; and {len(distinct) - LISTED} more" if len(distinct) > LISTED else ""
    return "; or ".join(distinct[:LISTED]) + more


def _data(experiment: Experiment) -> str:
    return f"{value_of(experiment, 'data')}, dealt out by {value_of(experiment, 'partition')}"


def _clients(experiment: Experiment) -> str:
    local = experiment.local
    work = f"{local.epochs:g} epochs" if local.epochs is not None else f"{local.steps} steps"
    rounds = "1 round" if experiment.rounds == 1 else f"{experiment.rounds} rounds"
    return f"{clients_words(experiment)}, {rounds} of {work} by {label(local.described('optimizer'))}"


def _attack(experiment: Experiment) -> str:
    if experiment.attack is None:
        return "none"
    return f"{value_of(experiment, 'attack')} by {attackers_words(experiment)}"


def _target(experiment: Experiment) -> str:
    """Say what the attacker wants; empty where nobody attacks."""
    if attack_name(experiment) == "none":
        return ""
    if not targeted(experiment):
        return "to make the model worse"
    if experiment.goal is not None:
        return str(value_of(experiment, "goal"))
    target = experiment.target
    if target.index is not None:
        which = f"test sample{'s' * (target.r > 1)} {', '.join(map(str, target.index))}"
    else:
        which = "one test sample" if target.r == 1 else f"{target.r} test samples"
        which += f" of class {target.source}" if target.source is not None else ""
    return which + (f", to be taken for {target.target}" if target.target is not None else ", to be misclassified")
