"""The simulator's engines against bare training loops and other frameworks: a block of rounds of each in turn."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from bare import bare
from peers import ENVIRONMENTS, PEERS, is_installed
from plain import has_images
from stepping import stepped
from turns import in_turns, ratio

from fedlens.core.engine_name import EngineName
from fedlens.experiment.setting import Setting
from fedlens.simulation.engines import choose_engine
from fedlens.simulation.rounds import federate

YARDSTICK = "bare ×2"

Contender = Callable[[Setting], AbstractContextManager[Iterator[float]]]
"""Makes rounds of a setting: each `next` plays one and gives the test accuracy after it."""


@contextmanager
def fedlens(setting: Setting, engine: EngineName, workers: int) -> Iterator[Iterator[float]]:
    """The simulator on one of its engines."""
    with choose_engine(engine, workers, setting).make() as workforce:
        yield (result.record.quality.share for result in federate(setting, workforce))


FLOWER, BYZFL, DEFAULT_LAYOUT, VECTORISED = "Flower ×2", "ByzFL", "bare ×2, default layout", "fedlens vectorised ×2"

CONTENDERS: Mapping[str, Contender] = {
    YARDSTICK: lambda setting: bare(setting, workers=2),
    DEFAULT_LAYOUT: lambda setting: bare(setting, workers=2, layout="default"),
    VECTORISED: lambda setting: fedlens(setting, "vectorised", workers=2),
    "fedlens processes ×2": lambda setting: fedlens(setting, "processes", workers=2),
    FLOWER: lambda setting: stepped("flower_rounds.py", setting),
    "bare ×1": lambda setting: bare(setting, workers=1),
    "fedlens serial": lambda setting: fedlens(setting, "serial", workers=1),
    BYZFL: lambda setting: stepped("byzfl_rounds.py", setting),
    **{name: peer.play for name, peer in PEERS.items()},
}

OTHERS: Mapping[str, tuple[str, ...]] = {"flower": ("flwr", "ray"), "byzfl": ("byzfl",)}
"""Other frameworks, and what has to be installed for them to take part."""

FRAMEWORK = {FLOWER: "flower", BYZFL: "byzfl", **{name: peer.environment for name, peer in PEERS.items()}}

ONLY_IMAGES = {DEFAULT_LAYOUT}
NO_IMAGES = {VECTORISED, *(name for name, peer in PEERS.items() if peer.dense)}
"""Who takes part only where there are images, as it does the same as another one elsewhere; and who not, as a CPU maps
convolutions over clients at less than half the speed, which `auto` therefore does not choose, and as the contenders in
JAX have dense networks only."""


def absent() -> list[str]:
    """Frameworks that are not installed."""
    absent = [name for name, packages in OTHERS.items() if not all(map(find_spec, packages))]
    return absent + [name for name in ENVIRONMENTS if not is_installed(name)]


def taking_part(setting: Setting, without: Collection[str]) -> dict[str, Contender]:
    """The contenders in a race of this setting, `without` these frameworks."""
    left_out = {name for name, framework in FRAMEWORK.items() if framework in without}
    left_out |= NO_IMAGES if has_images(setting) else ONLY_IMAGES
    return {name: make for name, make in CONTENDERS.items() if name not in left_out}


@dataclass(frozen=True)
class Performance:
    """How a contender did.

    Attributes:
        engine: its name.
        seconds: wall time of a round in each counted block.
        ratio: the median, over blocks, of its time divided by the yardstick's in the same turn.
        accuracy: test accuracy after the last round.
    """

    engine: str
    seconds: list[float]
    ratio: float
    accuracy: float


def played(turns: int, block: int) -> int:
    """How many rounds everybody plays in a race."""
    return (turns + 1) * (block + settling(block))


def settling(block: int) -> int:
    """How many rounds come before a block without being timed; none where rounds are so long that blocks have one."""
    return int(block > 1)


def race(
    setting: Setting, contenders: Mapping[str, Contender], turns: int, block: int, tell: Callable[[str], None]
) -> list[Performance]:
    """Let the contenders play the setting's rounds, in turns of one block each whose order is reversed every time.

    The first turn warms up and is not counted. In a block, rounds follow one another as in a run; the first one after
    the others' turns, which finds cold caches, is not timed.

    Args:
        setting: an experiment of as many rounds as are `played`.
        contenders: who takes part.
        turns: how many turns count.
        block: how many rounds of a block are timed.
        tell: is told of every turn that is done.
    """
    accuracy: dict[str, float] = {}
    with ExitStack() as stack:
        playing = {name: stack.enter_context(make(setting)) for name, make in contenders.items()}

        def play(name: str, rounds: int) -> None:
            for _ in range(rounds):
                accuracy[name] = next(playing[name])

        blocks = {name: partial(play, name, block) for name in contenders}
        counted = in_turns(blocks, turns, tell, "block", before=lambda name: play(name, settling(block)))
    seconds = {name: [time / block for time in times] for name, times in counted.items()}
    yardstick = seconds[YARDSTICK]
    return [Performance(name, times, ratio(times, yardstick), accuracy[name]) for name, times in seconds.items()]
