"""From a part's name to its class and back: ours, another package's entry point, or ``module:Class``.

An entry point belongs to the group ``fedlens.attack`` (``fedlens.aggregation``, ``fedlens.data``, ...); its name is the
name that YAML uses. Nothing registers itself by being imported.
"""

import importlib
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from fedlens.config import Config, nearest, validate
from fedlens.errors import ConfigError

P = TypeVar("P", bound=Config)

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "data": {
        "adult": "fedlens.data.adult:Adult",
        "fashion-mnist": "fedlens.data.fashion_mnist:FashionMnist",
        "digits": "fedlens.data.digits:Digits",
    },
    "partition": {
        "iid": "fedlens.data.partition:Iid",
        "dirichlet": "fedlens.data.partition:Dirichlet",
    },
    "model": {
        "paper-cnn": "fedlens.models.cnn:PaperCnn",
        "small": "fedlens.models.cnn:SmallCnn",
        "tiny": "fedlens.models.cnn:TinyCnn",
        "census-mlp": "fedlens.models.mlp:CensusMlp",
    },
    "aggregation": {
        "mean": "fedlens.aggregation.mean:Mean",
        "krum": "fedlens.aggregation.krum:Krum",
        "krum-authors": "fedlens.aggregation.krum:KrumAuthors",
        "multi-krum": "fedlens.aggregation.krum:MultiKrum",
        "median": "fedlens.aggregation.coordinate:Median",
        "trimmed-mean": "fedlens.aggregation.coordinate:TrimmedMean",
        "geometric-median": "fedlens.aggregation.geometric:GeometricMedian",
        "bulyan": "fedlens.aggregation.bulyan:Bulyan",
        "norm-clipping": "fedlens.aggregation.clipping:NormClipping",
    },
    "checks": {
        "accuracy": "fedlens.detection.accuracy:AccuracyCheck",
        "distances": "fedlens.detection.distances:DistanceCheck",
        "statistics": "fedlens.detection.statistics:StatisticsCheck",
    },
    "attack": {
        "explicit-boosting": "fedlens.attacks.explicit:ExplicitBoosting",
        "implicit-boosting": "fedlens.attacks.implicit:ImplicitBoosting",
        "simultaneous-training": "fedlens.attacks.simultaneous:SimultaneousTraining",
        "alternating-minimisation": "fedlens.attacks.alternating:AlternatingMinimisation",
        "data-poisoning": "fedlens.attacks.data_poisoning:DataPoisoning",
        "honest": "fedlens.attacks.honest:Honest",
    },
    "method": {
        "gradient": "fedlens.explanations.gradients:Gradient",
        "input-times-gradient": "fedlens.explanations.gradients:InputTimesGradient",
        "smoothgrad": "fedlens.explanations.gradients:SmoothGrad",
        "integrated-gradients": "fedlens.explanations.gradients:IntegratedGradients",
        "deconvnet": "fedlens.explanations.rectified:Deconvnet",
        "guided-backprop": "fedlens.explanations.rectified:GuidedBackprop",
        "lrp-z": "fedlens.explanations.relevance:LrpZ",
        "lrp-epsilon": "fedlens.explanations.relevance:LrpEpsilon",
        "lrp-gamma": "fedlens.explanations.relevance:LrpGamma",
        "lrp-alpha1-beta0": "fedlens.explanations.relevance:LrpAlpha1Beta0",
        "deep-taylor": "fedlens.explanations.relevance:DeepTaylor",
        "occlusion": "fedlens.explanations.occlusion:Occlusion",
    },
}


@cache
def known(kind: str) -> Mapping[str, str]:
    """Every name of this kind with the ``module:Class`` that it stands for."""
    others = {point.name: point.value for point in entry_points(group=f"fedlens.{kind}")}
    return {**others, **BUILT_IN[kind]}


def resolve(kind: str, name: str) -> type[Config]:
    """The class that `name` stands for.

    Raises:
        ConfigError: there is no such name, module or class, or the module cannot be imported.
    """
    path = name if ":" in name else known(kind).get(name)
    if path is None:
        raise ConfigError(f"{kind}: there is no {name!r}; {nearest(name, known(kind))} (or module:Class for your own)")
    module_name, _, class_name = path.partition(":")
    try:
        module = _import(module_name)
    except Exception as error:
        raise ConfigError(f"{kind}: {module_name!r} cannot be imported: {type(error).__name__}: {error}") from error
    try:
        found = attrgetter(class_name)(module)
    except AttributeError:
        raise ConfigError(f"{kind}: module {module_name!r} has no class {class_name!r}") from None
    if not (isinstance(found, type) and issubclass(found, Config)):
        raise ConfigError(f"{kind}: {path} is not a configuration class (it should derive from fedlens' own)")
    return found


def _import(name: str) -> Any:
    main = sys.modules.get("__main__")
    if main is not None and name == _main_name():
        return main
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    return importlib.import_module(name)


def _main_name() -> str:
    """The name under which the running script could be imported, so that a record can say it."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    spec = getattr(main, "__spec__", None)
    return spec.name if spec is not None else Path(file).stem if file else "__main__"


def name_of(kind: str, part: Config) -> str:
    """The shortest name that `resolve` turns into `part`'s class again."""
    cls = type(part)
    module = _main_name() if cls.__module__ == "__main__" else cls.__module__
    path = f"{module}:{cls.__qualname__}"
    return next((name for name, target in known(kind).items() if target == path), path)


def require_findable(kind: str, part: Config) -> None:
    """Refuse a part that a record of the run could not name.

    Raises:
        ConfigError: its class cannot be found again by its name.
    """
    name = name_of(kind, part)
    try:
        found = resolve(kind, name)
    except ConfigError:
        found = None
    if found is not type(part):
        raise ConfigError(f"{kind}: no record could name {name}; define the class at the top level of a module")


def build(kind: str, value: object, base: type[P]) -> P:
    """A part from its name, from a mapping with its ``name`` and options, or from itself.

    Raises:
        ConfigError: there is no such part, or its options are wrong.
    """
    if isinstance(value, base):
        return value
    values = {"name": value} if isinstance(value, str) else value
    if not isinstance(values, Mapping):
        raise ConfigError(f"{kind}: expected a name or a mapping with a name, not {value!r}")
    options = {key: option for key, option in values.items() if key != "name"}
    name = values.get("name")
    if not isinstance(name, str):
        raise ConfigError(f"{kind}: {', '.join(map(str, options)) or 'it'} needs a name beside it, as {kind}.name")
    cls = resolve(kind, name)
    if not issubclass(cls, base):
        raise ConfigError(f"{kind}: {name} is a {cls.__name__}, which is no {base.__name__}")
    return validate(cls, options, kind)


def describe(kind: str, part: Config) -> dict[str, Any]:
    """The mapping from which `build` makes the part again."""
    return {"name": name_of(kind, part), **part.model_dump(mode="json")}
