"""From a component's name to its class and back: ours, another package's entry point, or ``module:Class``.

An entry point belongs to the group ``fedlens.attack`` (``fedlens.aggregation``, ``fedlens.data``, ...); its name is the
name that YAML uses. Nothing registers itself by being imported, and nothing is imported to read what a run recorded.
"""

import logging
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module as python_import
from importlib.metadata import entry_points
from inspect import isfunction, signature
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from fedlens.core.config import Config, validate
from fedlens.core.errors import ConfigError, cut, shortened
from fedlens.core.importing import classes_in, import_module
from fedlens.core.origin import at, told
from fedlens.core.readers import reader_of
from fedlens.core.recorded import Note, Recorded, recorded_component
from fedlens.core.signatures import misfits
from fedlens.core.staying import staying
from fedlens.core.suggest import TYPED, likeliest, nearest, pasted, plain, typed

P = TypeVar("P", bound=Config)
_log = logging.getLogger("fedlens")

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "data": {
        "adult": "fedlens.data.adult:Adult",
        "fashion-mnist": "fedlens.data.fashion_mnist:FashionMnist",
        "digits": "fedlens.data.digits:Digits",
        "table": "fedlens.data.table:Table",
        "cifar10": "fedlens.data.cifar:Cifar10",
        "cifar100": "fedlens.data.cifar:Cifar100",
        "femnist": "fedlens.data.femnist:Femnist",
        "huggingface": "fedlens.data.huggingface:HuggingFace",
        "image-folder": "fedlens.data.image_folder:ImageFolder",
        "arrays": "fedlens.data.arrays:Arrays",
        "text": "fedlens.data.text:Text",
    },
    "partition": {
        "iid": "fedlens.data.partition:Iid",
        "dirichlet": "fedlens.data.partition:Dirichlet",
        "label-shards": "fedlens.data.label_shards:LabelShards",
        "quantity-skew": "fedlens.data.quantity_skew:QuantitySkew",
        "natural": "fedlens.data.natural:Natural",
        "owners-file": "fedlens.data.owners_file:OwnersFile",
    },
    "model": {
        "paper-cnn": "fedlens.models.cnn:PaperCnn",
        "small": "fedlens.models.cnn:SmallCnn",
        "tiny": "fedlens.models.cnn:TinyCnn",
        "census-mlp": "fedlens.models.mlp:CensusMlp",
        "resnet8": "fedlens.models.resnet:ResNet8",
        "resnet18": "fedlens.models.resnet:ResNet18",
        "char-lstm": "fedlens.models.char_lstm:CharLstm",
    },
    "aggregation": {
        "mean": "fedlens.defences.mean:Mean",
        "krum": "fedlens.defences.krum:Krum",
        "krum-authors": "fedlens.defences.krum:KrumAuthors",
        "multi-krum": "fedlens.defences.krum:MultiKrum",
        "median": "fedlens.defences.coordinate_wise:Median",
        "trimmed-mean": "fedlens.defences.coordinate_wise:TrimmedMean",
        "geometric-median": "fedlens.defences.geometric_median:GeometricMedian",
        "bulyan": "fedlens.defences.bulyan:Bulyan",
        "norm-clipping": "fedlens.defences.norm_clipping:NormClipping",
    },
    "stage": {
        "centred-clipping": "fedlens.defences.centred_clipping:CentredClipping",
        "foolsgold": "fedlens.defences.foolsgold:FoolsGold",
        "fltrust": "fedlens.defences.fltrust:FLTrust",
        "clip": "fedlens.defences.clip:Clip",
        "equal-weights": "fedlens.defences.equal_weights:EqualWeights",
        "median-clip": "fedlens.defences.median_clip:MedianClip",
        "nnm": "fedlens.defences.nearest_neighbour_mixing:NearestNeighbourMixing",
        "arc": "fedlens.defences.adaptive_robust_clipping:AdaptiveRobustClipping",
        "rlr": "fedlens.defences.robust_learning_rate:RobustLearningRate",
        "dnc": "fedlens.defences.divide_and_conquer:DivideAndConquer",
        "signguard-filter": "fedlens.defences.signguard_filter:SignGuardFilter",
        "signguard": "fedlens.defences.signguard:SignGuard",
        "flanders": "fedlens.defences.flanders:Flanders",
        "fldetector": "fedlens.defences.fldetector:FLDetector",
        "multi-metrics": "fedlens.defences.multi_metrics:MultiMetrics",
        "bucketing": "fedlens.defences.bucketing:Bucketing",
        "fedavgm": "fedlens.defences.fedavgm:FedAvgM",
        "fedadam": "fedlens.defences.fedadam:FedAdam",
        "crfl": "fedlens.defences.crfl:Crfl",
        "median-noise": "fedlens.defences.median_noise:MedianNoise",
        "deepsight": "fedlens.defences.deepsight:DeepSight",
        "deepsight-filter": "fedlens.defences.deepsight:DeepSightFilter",
        "flame": "fedlens.defences.flame:Flame",
        "flame-filter": "fedlens.defences.flame:FlameFilter",
        "rflbat": "fedlens.defences.rflbat:Rflbat",
        "rflbat-filter": "fedlens.defences.rflbat:RflbatFilter",
        "freqfed": "fedlens.defences.freqfed:FreqFed",
        "freqfed-filter": "fedlens.defences.freqfed:FreqFedFilter",
    },
    "checks": {
        "accuracy": "fedlens.defences.accuracy_check:AccuracyCheck",
        "distances": "fedlens.defences.distance_ranges:DistanceCheck",
        "statistics": "fedlens.defences.update_statistics:StatisticsCheck",
        "norm-filter": "fedlens.defences.norm_filter:NormFilter",
    },
    "attack": {
        "explicit-boosting": "fedlens.attacks.explicit_boosting:ExplicitBoosting",
        "implicit-boosting": "fedlens.attacks.implicit_boosting:ImplicitBoosting",
        "simultaneous-training": "fedlens.attacks.simultaneous_training:SimultaneousTraining",
        "alternating-minimisation": "fedlens.attacks.alternating_minimisation:AlternatingMinimisation",
        "data-poisoning": "fedlens.attacks.data_poisoning:DataPoisoning",
        "honest": "fedlens.attacks.honest:Honest",
        "inner-product-manipulation": "fedlens.attacks.inner_product_manipulation:InnerProductManipulation",
        "adaptive-ipm": "fedlens.attacks.adaptive_ipm:AdaptiveIpm",
        "sign-flipping": "fedlens.attacks.sign_flipping:SignFlipping",
        "a-little-is-enough": "fedlens.attacks.a_little_is_enough:ALittleIsEnough",
        "min-max": "fedlens.attacks.min_max:MinMax",
        "min-sum": "fedlens.attacks.min_sum:MinSum",
        "fang-trimmed-mean": "fedlens.attacks.fang_trimmed_mean:FangTrimmedMean",
        "fang-krum": "fedlens.attacks.fang_krum:FangKrum",
        "gaussian": "fedlens.attacks.gaussian:Gaussian",
        "free-rider": "fedlens.attacks.free_rider:FreeRider",
        "mimic": "fedlens.attacks.mimic:Mimic",
        "agr-tailored": "fedlens.attacks.agr_tailored:AgrTailored",
        "anticipate": "fedlens.attacks.anticipate:Anticipate",
        "badnets": "fedlens.attacks.badnets:BadNets",
        "dba": "fedlens.attacks.dba:Dba",
        "model-replacement": "fedlens.attacks.model_replacement:ModelReplacement",
        "train-and-scale": "fedlens.attacks.train_and_scale:TrainAndScale",
        "constrain-and-scale": "fedlens.attacks.constrain_and_scale:ConstrainAndScale",
        "pgd": "fedlens.attacks.pgd:Pgd",
        "neurotoxin": "fedlens.attacks.neurotoxin:Neurotoxin",
        "label-flipping": "fedlens.attacks.label_flipping:LabelFlipping",
        "dynamic-label-flipping": "fedlens.attacks.dynamic_label_flipping:DynamicLabelFlipping",
        "a3fl": "fedlens.attacks.a3fl:A3FL",
        "chameleon": "fedlens.attacks.chameleon:Chameleon",
    },
    "goal": {
        "backdoor": "fedlens.goals.backdoor:Backdoor",
        "damage": "fedlens.goals.damage:Damage",
    },
    "trigger": {
        "pixel-patch": "fedlens.goals.pixel_patch:PixelPatch",
        "blended": "fedlens.goals.blended:Blended",
        "distributed": "fedlens.goals.distributed:Distributed",
        "feature-values": "fedlens.goals.feature_values:FeatureValues",
        "token-sequence": "fedlens.goals.token_sequence:TokenSequence",
        "trained-patch": "fedlens.goals.trained_patch:TrainedPatch",
    },
    "method": {
        "gradient": "fedlens.explanations.methods.gradients:Gradient",
        "input-times-gradient": "fedlens.explanations.methods.gradients:InputTimesGradient",
        "smoothgrad": "fedlens.explanations.methods.gradients:SmoothGrad",
        "integrated-gradients": "fedlens.explanations.methods.gradients:IntegratedGradients",
        "deconvnet": "fedlens.explanations.methods.rectified:Deconvnet",
        "guided-backprop": "fedlens.explanations.methods.rectified:GuidedBackprop",
        "lrp-z": "fedlens.explanations.methods.relevance:LrpZ",
        "lrp-epsilon": "fedlens.explanations.methods.relevance:LrpEpsilon",
        "lrp-gamma": "fedlens.explanations.methods.relevance:LrpGamma",
        "lrp-alpha1-beta0": "fedlens.explanations.methods.relevance:LrpAlpha1Beta0",
        "deep-taylor": "fedlens.explanations.methods.relevance:DeepTaylor",
        "occlusion": "fedlens.explanations.methods.occlusion:Occlusion",
    },
}

REQUIRED: Mapping[str, str] = {
    "data": "fedlens.data.dataset:Data.load",
    "partition": "fedlens.data.partition:Partition.split",
    "model": "fedlens.models.model:Model.build",
    "aggregation": "fedlens.defences.rule:Rule.aggregate",
    "stage": "fedlens.defences.stage:Stage.apply",
    "checks": "fedlens.defences.detector:Detector.inspect",
    "attack": "fedlens.attacks.attack:Attack.craft",
    "goal": "fedlens.goals.goal:Goal.wanted",
    "trigger": "fedlens.goals.trigger:Trigger.stamp",
    "method": "fedlens.explanations.methods.method:Method.attribute",
}
"""What each kind's components have to define."""

INSTEAD: Mapping[str, tuple[str, ...]] = {"attack": ("poison", "collude")}
"""What they may define in its place."""

BASES: Mapping[str, str] = {kind: method.rpartition(".")[0] for kind, method in REQUIRED.items()}
"""What they derive from."""

CALLING: Mapping[str, str] = {"model": "fedlens.models.called:model_calling"}
"""What makes a class of something else that the user's ``module:name`` stands for, or ``None`` where it cannot."""

OPTION: Mapping[str, str] = {"stage": "aggregation", "trigger": "goal.trigger"}
"""The option that holds a component, where it is not called as its kind."""


@dataclass(frozen=True)
class Description:
    """A description to be run, whose components are imported.

    Attributes:
        beside: the folders of the files that name them, where their modules may be, too.
        within: the run's directory that names them, where they must not be.
    """

    beside: tuple[Path, ...] = ()
    within: Path | None = None


@dataclass(frozen=True)
class Record:
    """A description of what has been run; of its components, only fedlens' own are imported.

    Attributes:
        notes: what was noted of the others, by kind and name.
        classes: classes at hand all the same, by kind and name.
        needed: how to find those that are imported all the same, by kind.
    """

    notes: Mapping[str, Mapping[str, Note]] = field(default_factory=dict)
    classes: Mapping[tuple[str, str], type[Config]] = field(default_factory=dict)
    needed: Mapping[str, Description] = field(default_factory=dict)


def option_of(kind: str) -> str:
    """Return the option that holds components of this kind."""
    return OPTION.get(kind, kind)


def _with_same_option(kind: str) -> list[str]:
    """Return every name that may be given where one of this kind may: rules and other stages stand in one option."""
    return [name for other in BUILT_IN if option_of(other) == option_of(kind) for name in known(other)]


@cache
def known(kind: str) -> Mapping[str, str]:
    """Return every name of this kind with the ``module:Class`` that it stands for."""
    ours = BUILT_IN[kind]
    others = {point.name: point.value for point in entry_points(group=f"fedlens.{kind}")}
    return {**ours, **{name: value for name, value in others.items() if name not in ours}}


def resolve(kind: str, name: str, source: Description = Description()) -> type[Config]:
    """Return the class that `name` stands for, in a description from this source.

    Raises:
        ConfigError: there is no such name, module or class, or the module cannot be imported.
    """
    path = name if ":" in name else known(kind).get(name)
    if path is None:
        others = _with_same_option(kind)
        remedy = f"{nearest(name, others)} (or module:Class for your own; `fedlens list {kind}` shows ours)"
        if likeliest(name, others) is None and kind != "method":
            remedy += f"; e.g. -o {option_of(kind)}={next(iter(BUILT_IN[kind]))}"
        folders = () if source.within is not None else (Path(), *source.beside)
        candidates = classes_in(name.removesuffix(".py"), BASES[kind].rpartition(":")[2], folders)
        if candidates:
            meant = candidates[0] if len(candidates) == 1 else f"one of {cut(', '.join(candidates))}"
            remedy = f"did you mean {meant}?"
        elif kind == "data" and (Path(name).suffix or reader_of(Path(name))):
            remedy = _reading(name)
        raise ConfigError(f"{option_of(kind)}: there is no {shortened(name)}; {remedy}")
    return class_at(path, option_of(kind), source)


def _reading(file: str) -> str:
    """Say which data set reads a file or folder."""
    reader, what = reader_of(Path(file)), "folder" if Path(file).is_dir() else "file"
    if reader is None:
        return f"a {what} is read by a class of yours: `fedlens new data`, and docs/how-to/data-and-model.md"
    return f"a {what} is read so: -o {shlex.quote(f'data={{name: {reader}, path: {plain(file)}}}')}"


def class_at(path: str, kind: str = "component", source: Description = Description()) -> type[Config]:
    """Return the configuration class at ``module:Class``; messages begin with `kind`.

    Raises:
        ConfigError: there is no such module or class, or the module cannot be imported.
    """
    module_name, _, class_name = path.partition(":")
    try:
        with staying(f"{option_of(kind)}: importing {shortened(module_name)}", ConfigError):
            module = _import(module_name, source)
    except ConfigError:
        raise
    except Exception as error:
        top, remedy = module_name.partition(".")[0], ""
        if module_name.endswith(".py"):
            remedy = f"; e.g. -o {option_of(kind)}={module_name.removesuffix('.py').replace('/', '.')}:{class_name}"
        elif isinstance(error, ModuleNotFoundError) and error.name == top:
            remedy = f"; start fedlens in the folder where {top}.py is"
        said = f"{shortened(module_name)} cannot be imported: {told(error)}{cut(remedy)}"
        raise ConfigError(f"{option_of(kind)}: {said}") from error
    try:
        cls = attrgetter(class_name)(module)
    except AttributeError:
        classes = [name for name, cls in vars(module).items() if isinstance(cls, type) and issubclass(cls, Config)]
        remedy = nearest(class_name, classes, f"{module_name}:") if classes else _derived(kind, class_name)
        if module_name == "__main__":
            remedy = "it was defined in a notebook, REPL or standard input, which alone has it"
        raise ConfigError(
            f"{option_of(kind)}: module {shortened(module_name)} has no class {shortened(class_name)}; {remedy}"
        ) from None
    if isinstance(cls, type) and issubclass(cls, Config):
        return cls
    if (calling := CALLING.get(kind)) is not None:
        maker, _, function = calling.partition(":")
        made: type[Config] | None = getattr(python_import(maker), function)(cls)
        if made is not None:
            return made
    remedy = _calling(kind, class_name) if isfunction(cls) else _derived(kind, class_name)
    said = f"{cut(path)} is not a configuration class; {remedy}"
    raise ConfigError(f"{option_of(kind)}: {said}")


def _derived(kind: str, name: str) -> str:
    """Say how the user's own class of this kind begins."""
    return f"let it derive from fedlens' own: {_head(kind, name)}"


def _head(kind: str, name: str) -> str:
    return f"class {cut(name)}({BASES.get(kind, 'Attack').rpartition(':')[2]})"


def _calling(kind: str, name: str) -> str:
    """Say how the class begins that calls a function of the user's own."""
    return f"let a class call this function: {_head(kind, name.title().replace('_', ''))}"


def _import(name: str, source: Description) -> Any:
    main = sys.modules.get("__main__")
    if main is not None and name == _main_name():
        return main
    return import_module(name, source.beside, source.within)


def _main_name() -> str:
    """Return the name under which the running script could be imported, for a record to name.

    There is none of a notebook, a REPL or standard input, nor of a script whose name has a dot in it.
    """
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    stem = Path(file).stem if file and Path(file).is_file() else ""
    return stem if stem and "." not in stem else "__main__"


def name_of(kind: str, component: Config) -> str:
    """Return the shortest name that `resolve` turns into `component`'s class again."""
    if isinstance(component, Recorded):
        return component.recorded_name
    cls = type(component)
    module = _main_name() if cls.__module__ == "__main__" else cls.__module__
    path = f"{module}:{cls.__qualname__}"
    return next((name for name, target in known(kind).items() if target == path), path)


def require_code(kind: str, component: Config) -> None:
    """Refuse to work with a component of which there is no more than its record.

    Raises:
        ConfigError: there is no more.
    """
    if isinstance(component, Recorded):
        raise ConfigError(
            f"{option_of(kind)}: {component.recorded_name} is not fedlens' own, and its code is not imported to read a "
            "run; where a command has --trust, that imports it"
        )


def require_findable(kind: str, component: Config) -> None:
    """Refuse a component that a record of the run could not name.

    Raises:
        ConfigError: its class cannot be imported again by its name.
    """
    name, option = name_of(kind, component), option_of(kind)
    try:
        cls = resolve(kind, name)
    except ConfigError:
        cls = None
    if cls is type(component):
        return
    if cls is not None and cls.__qualname__ == type(component).__qualname__:
        raise ConfigError(f"{option}: {name} has been defined anew since this component was made; make it again")
    raise ConfigError(f"{option}: no record could name {name}; define the class at the top level of a module")


def of_session(components: Iterable[tuple[str, Config]]) -> list[str]:
    """Return the names of components whose class no other process could import, such as one defined in a notebook."""
    names = dict.fromkeys(name_of(kind, component) for kind, component in components)
    return [name for name in names if name.startswith("__main__:")]


def warn_of_session(components: Iterable[tuple[str, Config]]) -> None:
    """Warn if another process could not read a run of these components again."""
    if names := of_session(components):
        _log.warning(
            "what is recorded now can be shown anywhere, but only this session can go on with it or explain its model, "
            "for no other could import %s; to keep it, define such classes in a file, mine.py, and import them from it",
            ", ".join(names),
        )


def build(
    kind: str, value: object, base: type[P], source: Description | Record = Description(), form: str | None = None
) -> P:
    """Build a component from its name, from a mapping with its ``name`` and options, or from itself.

    Args:
        kind: of which kind.
        value: what stands for it.
        base: what it has to derive from.
        source: where that comes from.
        form: how one of its options is typed; by default as `typed` has it.

    Raises:
        ConfigError: there is no such component, or its options are wrong.
    """
    if isinstance(value, base):
        return value
    values, option = {"name": value} if isinstance(value, str) else value, option_of(kind)
    if not isinstance(values, Mapping):
        example = next(iter(BUILT_IN[kind]))
        raise ConfigError(
            f"{option}: expected a name or a mapping with a name, not {shortened(value)}; e.g. -o {option}={example}"
        )
    options = {key: given for key, given in values.items() if key != "name"}
    name = values.get("name")
    if not isinstance(name, str):
        fitting = (key for key in BUILT_IN[kind] if options.keys() <= resolve(kind, key).model_fields.keys())
        fits = next(fitting, next(iter(BUILT_IN[kind])))
        remedy = f"as {option}.name; e.g. {pasted(form or TYPED, f'{option}.name', fits)}"
        said = f"{option}: {cut(', '.join(map(str, options))) or 'it'} needs a name beside it, {remedy}"
        raise ConfigError(said, {f"{option}.name": fits})
    if isinstance(source, Record):
        if (at_hand := _class_at_hand(kind, name, source)) is None:
            return recorded_component(kind, name, options, base, source.notes.get(kind, {}).get(name))
        cls = at_hand
    else:
        cls = resolve(kind, name, source)
    if not issubclass(cls, base):
        example = next(iter(BUILT_IN[kind]))
        said = f"{name} is a {cls.__name__}, which is no {base.__name__}"
        raise ConfigError(f"{option}: {said}; e.g. -o {option}={example}")
    return validate(cls, options, option, form or typed(kind, name), source)


def require_complete(kind: str, component: Config) -> None:
    """Refuse a component whose class does not define what its kind has to, or whose methods take something else.

    Raises:
        ConfigError: so it is; the message names the class's or the method's file and line.
    """
    if isinstance(component, Recorded) or is_built_in(kind, component):  # the class of a record is not looked at
        return
    cls, base, method = type(component), class_at(BASES[kind]), REQUIRED[kind].rpartition(".")[2]
    if wrong := next(misfits(component, base), None):
        raise ConfigError(f"{option_of(kind)}: {name_of(kind, component)}: {wrong}")
    if any(getattr(cls, name) is not getattr(base, name) for name in (method, *INSTEAD.get(kind, ()))):
        return
    lacking = f"{option_of(kind)}: {name_of(kind, component)}{at(cls)} has no method {method}"
    functions = {key: function for key, function in vars(cls).items() if isfunction(function)}
    if (meant := likeliest(method, sorted(functions))) is not None:
        raise ConfigError(f"{lacking}; is {meant} meant to be it{at(functions[meant])}? Rename it")
    arguments = ", ".join(signature(getattr(cls, method)).parameters)
    raise ConfigError(f"{lacking}; write one: def {method}({arguments})")


def _class_at_hand(kind: str, name: str, record: Record) -> type[Config] | None:
    """Return a class of ours, or one at hand already; ``None`` where a stranger's would be imported."""
    ours = BUILT_IN[kind]
    if kind in record.needed or name in ours or name in ours.values():
        return resolve(kind, name, record.needed.get(kind, Description()))
    return record.classes.get((kind, name))


def is_built_in(kind: str, component: Config) -> bool:
    """Tell whether a component is one of fedlens' own."""
    return name_of(kind, component) in BUILT_IN[kind]


def origins(components: Iterable[tuple[str, Config]]) -> Iterator[str]:
    """Yield the modules that define the components (by kind) that are not fedlens' own, each with its file."""
    for kind, component in components:
        if not isinstance(component, Recorded) and not is_built_in(kind, component):
            module = sys.modules[type(component).__module__]
            if module.__name__.partition(".")[0] == __name__.partition(".")[0]:
                continue  # fedlens' own, though no list has it
            yield f"{module.__name__} ({getattr(module, '__file__', None) or 'no file'})"


def describe(kind: str, component: Config) -> dict[str, Any]:
    """Return the mapping from which `build` makes the component again."""
    values = component.recorded_values if isinstance(component, Recorded) else component.model_dump(mode="json")
    return {"name": name_of(kind, component), **values}


def unusual_values(component: Config) -> dict[str, Any]:
    """Return the component's options that are not at their defaults."""
    if isinstance(component, Recorded):
        return component.unusual_values
    return component.model_dump(mode="json", exclude_defaults=True)
