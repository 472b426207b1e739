"""A node of a Ray cluster that is killed as soon as somebody works there."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.waiting import eventually


@contextmanager
def doomed_node(machines: Any, folder: Path) -> Iterator[Path]:
    """A second node, with its identity in ``folder/doomed``; killed once ``folder/reached``, which is given, exists.

    Afterwards the cluster knows that it is dead, and the file ``doomed`` is gone.
    """
    node, reached = machines.add_node(num_cpus=2), folder / "reached"
    (folder / "doomed").write_text(node.node_id)

    def kill() -> None:
        while not reached.exists():
            time.sleep(0.05)
        machines.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield reached
    finally:
        reached.touch()
        killer.join()
        (folder / "doomed").unlink()

        def alive() -> bool:
            nodes = machines.global_state.node_table()
            return any(found["NodeID"] == node.node_id and found["Alive"] for found in nodes)

        assert eventually(lambda: not alive(), pause=0.1)
