"""Somebody's rule: a function of an array of updates, a class, or a component of fedlens' own kinds."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import Parameter, isclass, signature
from operator import attrgetter
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from fedlens.attacks.attack import Attack
from fedlens.core.config import Config, validate
from fedlens.core.errors import ConfigError, cut, shortened
from fedlens.core.importing import import_module
from fedlens.core.lazy import torch
from fedlens.core.origin import told
from fedlens.core.random import Address, seeded
from fedlens.core.staying import staying
from fedlens.core.suggest import nearest
from fedlens.defences.detector import Detector
from fedlens.defences.rule import Rule
from fedlens.defences.stage import Stage
from fedlens.studies.conformance import reference
from fedlens.studies.conformance.case import Cohort, Rows, Value
from fedlens.studies.conformance.crafting import ATTACKERS
from fedlens.studies.conformance.reference import Answer, Refusal

Arrays = Literal["numpy", "torch"]
"""What a function takes: arrays of float64, or tensors of float32."""

GIVEN = ("clients", "weights", "round", "attackers", "root")
"""What a function is given besides the updates and the method's options, if it asks for that."""


@dataclass(frozen=True)
class Failure:
    """Instead of an answer: how somebody's code failed."""

    words: str


@dataclass(frozen=True)
class Subject:
    """What is put to the cases.

    Attributes:
        thing: a function, a class that makes one, or a component of fedlens' kinds.
        name: what to call it.
        arrays: what it takes.
        names: its own name of each of the method's options that it calls otherwise.
        options: the values of options for all cases.
    """

    thing: Any
    name: str
    arrays: Arrays
    names: Mapping[str, str]
    options: Mapping[str, Value]

    def answers(
        self, rounds: Sequence[Cohort], options: Mapping[str, Value], *, filters: bool = False
    ) -> list[Answer | Failure]:
        """Return what it says of these rounds, made anew, up to the first in which it fails.

        Args:
            rounds: one after the other.
            options: the method's.
            filters: whether integers are the numbers of the rows that it keeps.
        """
        options = {**options, **self.options}
        if _is_component(self.thing):
            return self._as_component(rounds, options)
        given: list[Answer | Failure] = []
        try:
            with staying(self.name, ConfigError), seeded(Address.root(0)), _unremarked():
                call = self._made(options)
                for number, cohort in enumerate(rounds, 1):
                    offered = {**options, "clients": list(cohort.clients), "round": number, "attackers": ATTACKERS}
                    said = call(cohort, offered)
                    given.append(_answer(said, cohort, filters=filters, precision=self._array(cohort.rows)))
        except ConfigError:
            raise
        except Exception as error:
            given.append(Failure(told(error)))
        return given

    @property
    def weighs(self) -> bool:
        """Whether it asks for the clients' weights, as a component of fedlens' kinds does."""
        if _is_component(self.thing):
            return not isinstance(self.thing, Attack) and not (isclass(self.thing) and issubclass(self.thing, Attack))
        call = self.thing
        if isclass(call):
            call = getattr(call, "aggregate", None) if "__call__" not in vars(call) else vars(call)["__call__"]
        try:
            return self.names.get("weights", "weights") in signature(call or self.thing).parameters
        except (TypeError, ValueError):
            return False

    def spoils(self, cohort: Cohort, options: Mapping[str, Value]) -> bool:
        """Tell whether it changes the updates that it is given; not asked of a component, nor where it fails."""
        if _is_component(self.thing):
            return False
        rows = self._array(cohort.rows.copy())
        try:
            with staying(self.name, ConfigError), seeded(Address.root(0)), _unremarked():
                offered = {"clients": list(cohort.clients), "round": 1, "attackers": ATTACKERS}
                self._made({**options, **self.options})(cohort, {**options, **self.options, **offered}, rows)
        except ConfigError:
            raise
        except Exception:  # said of the cases themselves
            return False
        return not np.array_equal(np.asarray(rows), np.asarray(self._array(cohort.rows)))

    def _as_component(self, rounds: Sequence[Cohort], options: Mapping[str, Value]) -> list[Answer | Failure]:
        link: Any = self.thing
        if isclass(self.thing):
            mine = {self.names.get(name, name): value for name, value in options.items()}
            cls = cast("type[Rule | Stage | Detector | Attack]", self.thing)
            link = validate(cls, {name: value for name, value in mine.items() if name in cls.model_fields}, self.name)
        try:
            return [*reference.answers(link, rounds)]
        except ConfigError:
            raise
        except Exception as error:
            return [Failure(told(error))]

    def _made(self, options: Mapping[str, Value]) -> Callable[..., object]:
        """Return what takes a round, all that may be given and maybe the updates; an object of it if it is a class."""
        thing = self.thing
        if isclass(thing):
            thing = thing(**self._arguments(thing, options, skipped=0))
            thing = thing if callable(thing) else getattr(thing, "aggregate", thing)
        if not callable(thing):
            raise ConfigError(f"{self.name} cannot be called; give a function of the updates, an array [n, d]")

        def call(cohort: Cohort, offered: Mapping[str, Any], rows: object = None) -> object:
            own = {"weights": self._array(cohort.alpha.copy()), "root": self._array(cohort.root.copy())}
            arguments = self._arguments(thing, {**offered, **own}, skipped=1)
            return thing(self._array(cohort.rows.copy()) if rows is None else rows, **arguments)

        return call

    def _array(self, rows: Rows) -> object:
        return rows if self.arrays == "numpy" else torch.from_numpy(rows).float()

    def _arguments(self, function: Callable[..., object], offered: Mapping[str, Any], skipped: int) -> dict[str, Any]:
        """Return what it asks for by name of what is offered.

        Raises:
            ConfigError: it needs something else.
        """
        try:
            parameters = list(signature(function).parameters.values())[skipped:]
        except (TypeError, ValueError):  # of a function that is written in C
            return {}
        mine = {self.names.get(name, name): value for name, value in offered.items()}
        open_ended = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters)
        asked = [parameter.name for parameter in parameters if parameter.kind not in _SEVERAL]
        for parameter in parameters:
            if parameter.default is Parameter.empty and parameter.kind not in _SEVERAL and parameter.name not in mine:
                raise ConfigError(
                    f"{self.name} needs {cut(parameter.name)}, which nobody gives; say which option that is, as in "
                    f"--name {next(iter(offered), 'f')}={cut(parameter.name)}, or its value: -o {cut(parameter.name)}=1"
                )
        if open_ended:
            return {name: value for name, value in mine.items() if name in asked or name not in GIVEN}
        return {name: value for name, value in mine.items() if name in asked}


_SEVERAL = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def subject(
    thing: object, arrays: Arrays | None = None, names: Mapping[str, str] = {}, options: Mapping[str, Value] = {}
) -> Subject:
    """Return what is put to the cases.

    Args:
        thing: a function, a class, a component, or where to import it from, ``module:name``.
        arrays: what it takes; by default tensors if its module has torch, else NumPy's arrays.
        names: its own names of the method's options.
        options: the values of options for all cases.

    Raises:
        ConfigError: it cannot be imported.
    """
    name = thing if isinstance(thing, str) else str(getattr(thing, "__qualname__", type(thing).__name__))
    if isinstance(thing, str):
        thing = imported(thing)
    if arrays is None:
        scope = getattr(thing, "__globals__", None) or vars(_module(thing))
        arrays = "torch" if "torch" in scope else "numpy"
    return Subject(thing, name, arrays, names, options)


@contextmanager
def _unremarked() -> Iterator[None]:
    """Let what somebody computes on extremes go unremarked: what comes of it is compared."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def imported(path: str) -> object:
    """Return what is at ``module:name``.

    Raises:
        ConfigError: it cannot be imported.
    """
    module_name, _, name = path.partition(":")
    if not name:
        raise ConfigError(f"{shortened(path)} names no module and function; e.g. fedlens conform rules:trimmed_mean")
    try:
        with staying(f"importing {shortened(module_name)}", ConfigError):
            module = import_module(module_name.removesuffix(".py").replace("/", "."))
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{shortened(module_name)} cannot be imported: {told(error)}") from error
    try:
        return attrgetter(name)(module)
    except AttributeError:
        others = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ConfigError(
            f"module {shortened(module_name)} has no {shortened(name)}; {nearest(name, others, f'{module_name}:')}"
        ) from None


def _module(thing: object) -> object:
    return sys.modules.get(str(getattr(thing, "__module__", "")), sys)


def _is_component(thing: object) -> bool:
    return isinstance(thing, Config) or (isclass(thing) and issubclass(thing, Rule | Stage | Detector | Attack))


def _answer(value: object, cohort: Cohort, *, filters: bool, precision: object) -> Answer | Failure:
    """Return what somebody's function said as rows: one, several, or those of the updates that it names.

    Args:
        value: what it said.
        cohort: of what.
        filters: whether integers are the numbers of the rows that it keeps.
        precision: an array of the type of the updates that it got.
    """
    if value is None:
        return Refusal("it returned None")
    array = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value)
    if array.dtype.kind not in "fiub":
        return Failure(f"returned {type(value).__name__} of {array.dtype}; an array of numbers is right")
    count, size = cohort.rows.shape
    wanted = np.asarray(precision).dtype
    if array.dtype.kind == "f" and array.dtype.itemsize < wanted.itemsize:
        return Failure(f"returned numbers of {array.dtype}, and the updates are of {wanted}: let it keep their type")
    if filters and _names_rows(array, count):
        kept: Rows = cohort.rows[array]
        return kept
    if array.shape == (size,) or (array.ndim == 0 and size == 1) or (array.ndim == 2 and array.shape[1] == size):
        return array.astype(np.float64).reshape(-1, size)
    return Failure(f"returned an array of shape {list(array.shape)}; [{size}] is right")


def _names_rows(array: NDArray[Any], count: int) -> bool:
    """Tell whether it says which of `count` rows are kept, by a mask or by their numbers."""
    if array.dtype == np.bool_:
        return array.shape == (count,)
    return array.dtype.kind in "iu" and array.ndim == 1 and set(array.tolist()) <= set(range(count))
