"""``fedlens flower node``: a SuperNode that attacks the federation it is part of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fedlens.cli.shared import err, out, say


def flower_node(  # noqa: PLR0917 - typer passes them by name
    superlink: Annotated[str, typer.Option(help="The SuperLink's address, e.g. 127.0.0.1:8000.")],
    attack: Annotated[str, typer.Option(help="The Malicious that attacks, as module:name, e.g. mine:evil.")],
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="SUPERNODE-OPTIONS", help="What else flower-supernode is told, after --."),
    ] = None,
    app: Annotated[
        Path | None, typer.Option(help="A copy of the app's folder, if the attack's module imports from it.")
    ] = None,
    authorised: Annotated[
        str | None, typer.Option(metavar="WHOM", help="Who has allowed the attack; needed beyond loopback.")
    ] = None,
    out_dir: Annotated[Path, typer.Option("--out", help="The node's directory.")] = Path("flower-node"),
) -> None:
    """Start a SuperNode that attacks, for testing a federation of your own; Ctrl-C stops it.

    Neither the app nor the server is touched. Every round in which it attacks is told, and logged in rounds.jsonl.
    """
    from fedlens.bridges.flower.apps import thing
    from fedlens.bridges.flower.node import Node, require_malicious
    from fedlens.bridges.flower.supervising import supervise
    from fedlens.core.errors import ClientError

    node = Node(attack, superlink, authorised, str(Path.cwd()), str(out_dir.resolve()))
    malicious = require_malicious(thing(attack, "attack", app), attack)
    command = node.command(options or [])
    with node.attended():
        node.prepare()
        by = "" if authorised is None else f", authorised by {authorised}"
        say(f"Malicious node: attacks {superlink} by {malicious.name} ({attack}){by}", "bold red", console=err)
        tell = _Telling()
        code = supervise(command, node.environment(), node.log, tell)
    say(f"Stopped; attacked in {tell.rounds} round{'s' * (tell.rounds != 1)}: {node.log}")
    if not tell.rounds:
        out.print("It was never asked to train, or its attack's when= and the attack's own rounds said no.")
    if code:
        raise ClientError(f"flower-supernode ended with exit code {code}; what it printed says why")


class _Telling:
    """Tells what the log says of each round, and counts those in which the node attacked."""

    def __init__(self) -> None:
        self.rounds = 0

    def __call__(self, entry: Mapping[str, Any]) -> None:
        if "error" in entry:
            say(f"The attack failed: {entry['error']}", "bold red", console=err)
            return
        who = f"Round {entry['round']} of run {entry['run']}: malicious node {entry['node']}"
        if entry["honest"] is not None:
            say(f"{who} is honest ({entry['honest']})", console=err)
            return
        self.rounds += 1
        say(f"{who} attacks by {entry['attack']}", "bold red", console=err)
