"""Attribution maps of samples by several methods, and the parser for names of methods."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from fedlens.core.errors import ConfigError, ExplanationError, cut, shortened
from fedlens.core.parsing import parse_yaml
from fedlens.core.registry import BUILT_IN, build, known, require_complete
from fedlens.explanations.explaining import copied, explain, logits_of
from fedlens.explanations.methods.method import Method

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Maps:
    """A model's predictions for samples, and their explanations.

    Attributes:
        classes: the explained classes, ``[n]``.
        predicted: the predicted classes, ``[n]``.
        probabilities: the model's, ``[n, classes]``.
        maps: by method, of the samples' shape ``[n, ...]``.
    """

    classes: Tensor
    predicted: Tensor
    probabilities: Tensor
    maps: Mapping[str, Tensor]


def maps_of(
    model: nn.Module, inputs: Tensor, classes: Tensor | None, methods: Mapping[str, Method], progress: Progress
) -> Maps:
    """Explain `inputs` (``[n, ...]``) by every method.

    Args:
        model: from inputs to logits.
        inputs: the samples.
        classes: which class to explain for each, ``[n]``; ``None`` for those that the model predicts.
        methods: by names, which become those of their maps.
        progress: called after every few maps, with their number.

    Raises:
        ExplanationError: as `explain`, or a map is not finite.
    """
    logits = logits_of(copied(model), inputs)
    predicted = logits.argmax(1)
    classes = predicted if classes is None else classes
    maps = {name: explain(model, inputs, classes, method, progress=progress) for name, method in methods.items()}
    for name, map_ in maps.items():
        if not map_.isfinite().all():
            raise ExplanationError(f"{name}: a map is not finite; leave the method out, e.g. --methods gradient")
    return Maps(classes, predicted, functional.softmax(logits, dim=1), maps)


def parse_methods(words: str) -> dict[str, Method]:
    """Parse ``all``, or names and options like ``lrp-epsilon:epsilon=0.5,occlusion:size=2:stride=1``, into methods.

    Raises:
        ConfigError: there is no such method or option.
    """
    names = list(BUILT_IN["method"]) if words == "all" else [word.strip() for word in words.split(",") if word.strip()]
    if not names:
        raise ConfigError(
            "--methods: expected names with commas between them, or all; e.g. --methods gradient,occlusion"
        )
    return {name: _method(name) for name in names}


def _method(word: str) -> Method:
    name, *options = _split(word)
    values: dict[str, object] = {"name": name}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or key in values:
            remedy = "e.g. --methods lrp-epsilon:epsilon=0.1"
            raise ConfigError(
                f"--methods {cut(word)}: expected OPTION=VALUE after the colon, each once, not {shortened(option)}; "
                f"{remedy}"
            )
        values[key] = parse_yaml(value, f"--methods {cut(word)}")
    method = build("method", values, Method)
    require_complete("method", method)
    return method


def _split(word: str) -> Sequence[str]:
    """Return a method's name and its options; a name that is not registered may be ``module:Class``."""
    parts = word.split(":")
    name_parts = 1 if parts[0] in known("method") or "=" in "".join(parts[1:2]) else 2
    return [":".join(parts[:name_parts]), *parts[name_parts:]]
