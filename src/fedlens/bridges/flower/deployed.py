"""What a malicious node runs in the place of ``flwr-clientapp``, once for every message: Flower's own, attacked.

The module that says how to attack is imported when the app is: what both import comes from the bundle. An answer is
sent only when the log has the round, and the node is honest when the command that tells of its attacks has ended.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flwr.app import Context, Message

from fedlens.bridges.flower.apps import thing
from fedlens.bridges.flower.compat import answer_first_by, program
from fedlens.bridges.flower.mod import Act
from fedlens.bridges.flower.node import CLIENT, Node, read_node, require_malicious
from fedlens.core.origin import told


def main(arguments: list[str]) -> None:
    """Answer a message by Flower's program, with the node's folder and what the SuperNode says to the program."""
    folder, *rest = arguments
    node = read_node(folder)
    logging.getLogger("fedlens").addHandler(logging.NullHandler())  # `fedlens flower node` tells what the log says
    answer_first_by(partial(answered, node))
    sys.path.append(node.work)
    sys.argv = [CLIENT, *rest]
    program(CLIENT)()


def answered(node: Node, app: Callable[[Message, Context], Message], message: Message, context: Context) -> Message:
    """Answer a message as the app of a malicious node, and log what was done; if nobody is told, as the app itself.

    Raises:
        FedlensError: the attack failed, or the log cannot be written.
    """
    if not node.is_attended():
        return app(message, context)
    facts = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "superlink": node.superlink,
        "authorised": node.authorised,
        "run": str(context.run_id),  # of 64 bits, which many readers of JSON would round
        "node": str(context.node_id),
    }
    try:
        malicious = require_malicious(thing(node.attack, "--attack"), node.attack)
        before = len(malicious.acts)
        answer = malicious(message, context, app)
    except Exception as error:
        node.note({**facts, "attack": node.attack, "error": told(error)})
        raise
    for act in malicious.acts[before:]:
        node.note({**facts, "attack": malicious.name, **_facts(act)})
    return answer


def _facts(act: Act) -> dict[str, Any]:
    """Return what the log says of a round."""
    numbers = {name: value for name, value in act.log.items() if isinstance(value, bool | int | float | str)}
    return {"round": act.round, "honest": act.reason, "claimed": act.claimed, "log": numbers}


if __name__ == "__main__":
    main(sys.argv[1:])
