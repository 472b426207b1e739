"""Contenders with other packages than fedlens', each in an environment of its own, which ``make bench-peers`` makes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import arrays
from stepping import stepped
from task import Task

from fedlens.experiment.setting import Setting

ROOT = Path(__file__).parents[1]

TWO_PROCESSES = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@dataclass(frozen=True)
class Peer:
    """A contender.

    Attributes:
        environment: where it is installed; ``benchmarks/peers/NAME.txt`` has its packages.
        script: the file that plays its rounds.
        launcher: what its Python is told before the file's name.
        arguments: what the script is told.
        dense: whether it only takes dense networks, written as arrays.
    """

    environment: str
    script: str
    launcher: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    dense: bool = False

    def play(self, setting: Setting) -> AbstractContextManager[Iterator[float]]:
        """Its rounds, one at a time."""
        write: Callable[[Task, Path], None] = arrays.save if self.dense else Task.save
        python = (str(folder(self.environment) / "bin" / "python"), *self.launcher)
        return stepped(self.script, setting, python=python, arguments=self.arguments, write=write)


PEERS: Mapping[str, Peer] = {
    "plain JAX ×2": Peer("jax", "jax_rounds.py", dense=True),
    "FedJAX ×2": Peer("fedjax", "fedjax_rounds.py", dense=True),
    "FedJAX ×2, split by hand": Peer("fedjax", "fedjax_rounds.py", arguments=("split",), dense=True),
    "pfl-research ×2": Peer("pfl", "pfl_rounds.py", launcher=TWO_PROCESSES),
    "fluke": Peer("fluke", "fluke_rounds.py"),
}

ENVIRONMENTS: Mapping[str, Peer] = {peer.environment: peer for peer in reversed(list(PEERS.values()))}
"""By the name of an environment, the first contender that lives there, who also does whole jobs."""


def folder(environment: str) -> Path:
    """Where an environment is."""
    return ROOT / f".venv-bench-{environment}"


def is_installed(environment: str) -> bool:
    """Whether all of its packages are there."""
    return (folder(environment) / ".installed").exists()


def why_absent(environment: str) -> str:
    """Why it does not take part: pip's last words where it could not be installed."""
    log = folder(environment) / "install.log"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return f"does not install here: {errors[-1]}" if errors else "not installed: make bench-peers"
