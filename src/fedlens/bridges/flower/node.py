"""The folder of a malicious node: the ``flwr-clientapp`` that its SuperNode finds first, and the log of its rounds.

A SuperNode starts a process ``flwr-clientapp`` for every message, and finds it by PATH. The script in the folder calls
Flower's own, in which the app of the bundle, which is not touched, is attacked (`fedlens.bridges.flower.deployed`).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from filelock import FileLock

from fedlens.bridges.flower.addresses import require_allowed
from fedlens.bridges.flower.compat import WANTED
from fedlens.bridges.flower.mod import Malicious
from fedlens.core.documents import dumps
from fedlens.core.errors import ConfigError, RunError, named, shortened
from fedlens.core.files import append_bytes, lock, write_atomically, writing

CLIENT, SUPERNODE = "flwr-clientapp", "flower-supernode"
SCRIPT = '#!/bin/sh\nexec {python} -P -m fedlens.bridges.flower.deployed {folder} "$@"\n'


@dataclass(frozen=True)
class Node:
    """A malicious node.

    Attributes:
        attack: its `Malicious`, as ``module:name``.
        superlink: whom it attacks, as ``host:port``.
        authorised: who has allowed it; ``None`` on this machine.
        work: where the module lies.
        folder: of the node itself.

    Raises:
        ConfigError: nobody has allowed it.
    """

    attack: str
    superlink: str
    authorised: str | None
    work: str
    folder: str

    def __post_init__(self) -> None:
        require_allowed(self.superlink, self.authorised)

    @property
    def log(self) -> Path:
        """The file that gets a line of JSON in every malicious round."""
        return Path(self.folder, "rounds.jsonl")

    @property
    def scripts(self) -> Path:
        """The folder that is first on the PATH of its SuperNode."""
        return Path(self.folder, "bin")

    def prepare(self) -> None:
        """Write the folder.

        Raises:
            RunError: it cannot be written.
        """
        script = self.scripts / CLIENT
        with writing(script, "choose another --out"):
            self.scripts.mkdir(parents=True, exist_ok=True)
            text = SCRIPT.format(python=quote(sys.executable), folder=quote(self.folder))
            write_atomically(Path(self.folder, "node.json"), (dumps(asdict(self), indent=1) + "\n").encode())
            write_atomically(script, text.encode())
            script.chmod(0o700)

    def attended(self) -> FileLock:
        """Keep others from starting a node in this folder, and let it attack, until the lock is released.

        Raises:
            RunError: somebody else does.
        """
        return lock(Path(self.folder), "node's log")

    def is_attended(self) -> bool:
        """Tell whether the command that started the node, and tells what it does, still runs."""
        try:
            self.attended().release()
        except RunError:
            return True
        return False

    def note(self, entry: Mapping[str, Any]) -> None:
        """Add a line to the log, and see that it reaches the disk.

        Raises:
            RunError: it cannot be written.
        """
        append_bytes(self.log, (dumps(entry) + "\n").encode())

    def environment(self) -> dict[str, str]:
        """Return the environment of its SuperNode."""
        return {**os.environ, "PATH": os.pathsep.join([str(self.scripts), search_path()])}

    def command(self, options: Sequence[str]) -> list[str]:
        """Return the command that starts its SuperNode.

        Args:
            options: what else the user says to ``flower-supernode``.

        Raises:
            ConfigError: one of them is fedlens' to say, or there is no such program.
        """
        for place, word in enumerate(options):
            name, _, value = word.partition("=")
            if _is_short_for("--superlink", name):
                raise ConfigError(f"{word}: the SuperLink is named before --; e.g. --superlink {self.superlink}")
            value = value or "".join(options[place + 1 : place + 2])
            if _is_short_for("--isolation", name) and value != "subprocess":
                raise ConfigError(f"{word}: a malicious node starts its app itself; leave {name} out")
        if (program := shutil.which(SUPERNODE, path=search_path())) is None:
            raise ConfigError(f"there is no program {SUPERNODE} here; pip install '{WANTED}'")
        return [program, *options, "--superlink", self.superlink]  # of several, Flower takes the last


def search_path() -> str:
    """Return where programs are looked for: beside this Python first, whether its environment is activated or not."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _is_short_for(option: str, name: str) -> bool:
    """Tell whether Flower takes this for the option, of which the first letters will do."""
    return len(name) > 2 and option.startswith(name)


def read_node(folder: str) -> Node:
    """Read what a node's folder says, of which a process of the node needs to know."""
    return Node(**json.loads(Path(folder, "node.json").read_text("utf-8")))


def require_malicious(found: object, path: str) -> Malicious:
    """Return what attacks.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(found, Malicious):
        return found
    raise ConfigError(f"--attack {shortened(path)}: is {named(found)}; a Malicious is right, as in mine:evil")
