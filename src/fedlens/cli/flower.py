"""``fedlens flower``: apps of Flower, put to the test in this process, and deployed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedlens.cli.command import tracing
from fedlens.cli.examples import ExampledCommand, ExampledGroup
from fedlens.cli.flower_node import flower_node
from fedlens.cli.shared import out, say
from fedlens.core.errors import ConfigError, shortened
from fedlens.core.staying import staying_unless_failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fedlens.bridges.flower.trying import Plan, Trial, Tried

flower = typer.Typer(cls=ExampledGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


def flower_test(  # noqa: PLR0917 - typer passes them by name
    app: Annotated[str, typer.Argument(help="The app's folder, with its pyproject.toml; or my_app.server_app:app.")],
    model: Annotated[str, typer.Option(help="What makes the client's module, e.g. my_app.task:Net.")],
    targets: Annotated[
        str | None,
        typer.Option(help="Inputs, their true classes and the wanted ones, as tensors, or a function of none."),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option(help="A goal in place of targets: '{name: backdoor, target: 7}'; needs --data and --test."),
    ] = None,
    samples: Annotated[
        str | None, typer.Option("--test", help="Test samples (x, y), or a function of none, e.g. mine:test.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="A function of a node's context that gives its samples (x, y), e.g. mine:data.")
    ] = None,
    client: Annotated[str | None, typer.Option(help="The ClientApp, if APP names the ServerApp.")] = None,
    nodes: Annotated[int, typer.Option(min=2, help="How many nodes there are.")] = 10,
    attackers: Annotated[int, typer.Option(min=1, help="How many of them attack.")] = 1,
    rounds: Annotated[int | None, typer.Option(min=1, help="How many rounds; default as the app says.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How often each is played, with other draws.")] = 3,
    attack: Annotated[
        list[str] | None,
        typer.Option(metavar="ATTACK", help="One of those that are tried by default, or any: '{name: gaussian}'."),
    ] = None,
    defence: Annotated[
        list[str] | None,
        typer.Option(metavar="DEFENCE", help="own, screened, krum, median or geometric-median; default all."),
    ] = None,
    config: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Set a value of the app's configuration.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")] = False,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="The result's directory; default flower-tests/NAME.")
    ] = None,
) -> None:
    """Attack a Flower app, with its own strategy and with other defences in its place.

    The app runs in this process, without Ray, and is not touched. What is drawn is the same with each attack and
    defence.
    """
    from fedlens.bridges.flower.apps import load_app, thing
    from fedlens.bridges.flower.defending import DEFENCES
    from fedlens.bridges.flower.trying import Asked, try_app
    from fedlens.core.parsing import parse_yaml
    from fedlens.core.registry import build
    from fedlens.goals.goal import Goal

    loaded = load_app(app, client, _config(config or []))

    def given(path: str | None, option: str, *, called: bool) -> Any:
        found = None if path is None else thing(path, option, loaded.folder)
        return found() if called and callable(found) else found

    asked = Asked(
        model=given(model, "model", called=False),
        targets=given(targets, "targets", called=True),
        goal=None if goal is None else build("goal", parse_yaml(goal, f"--goal {shortened(goal)}"), Goal),
        test=given(samples, "test", called=True),
        data=given(data, "data", called=False),
        nodes=nodes,
        attackers=attackers,
        rounds=rounds,
        seeds=range(seeds),
    )
    tell = _Progress(silent=json)
    tried = try_app(loaded, asked, _plans(attack), defence or DEFENCES, tell)
    _leave(tried, out_dir or Path("flower-tests") / loaded.name.replace(":", "-"), json=json)


flower.command("test", cls=ExampledCommand)(tracing(staying_unless_failed()(flower_test)))
flower.command("node", cls=ExampledCommand)(tracing(staying_unless_failed()(flower_node)))


@flower.callback()
def _group() -> None:
    """Attack and defend apps of Flower (extra flower)."""


def _config(values: "Sequence[str]") -> dict[str, Any]:
    """Read ``name=value``."""
    from fedlens.core.parsing import parse_yaml

    found = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--config {shortened(text)}: NAME=VALUE is right, e.g. --config local-epochs=1")
        found[name] = parse_yaml(value, f"--config {shortened(text)}")
    return found


def _plans(attacks: "Sequence[str] | None") -> "dict[str, Plan]":
    """Return the attacks that are asked for, by names."""
    from fedlens.bridges.flower.trying import USUAL, Plan
    from fedlens.core.parsing import parse_yaml

    plans = {}
    for text in attacks or USUAL:
        value: Any = USUAL.get(text) or parse_yaml(text, f"--attack {shortened(text)}")
        name = text if isinstance(value, Plan | str) else str(value.get("name") if isinstance(value, dict) else text)
        plans[name] = value if isinstance(value, Plan) else Plan(value)
    return plans


class _Progress:
    """Counts federations on a terminal."""

    def __init__(self, *, silent: bool) -> None:
        self.done, self.silent = 0, silent

    def __call__(self, trial: "Trial") -> None:
        self.done += 1
        if out.is_terminal and not self.silent:
            out.print(f"{self.done} federations played, the last with {trial.defence}", end="\r", markup=False)


def _leave(tried: "Tried", folder: Path, *, json: bool) -> None:
    """Print the result, and write it down."""
    from fedlens.bridges.flower.doubts import flags
    from fedlens.bridges.flower.results import HEAD, document, rows, sentence
    from fedlens.core.documents import dumps
    from fedlens.core.files import write_atomically, writing
    from fedlens.report.flower_tested import RESULT
    from fedlens.report.html.page import write_report
    from fedlens.report.terminal.printing import PlainTable

    content = dumps(document(tried)) + "\n"
    with writing(folder, "choose another --out"):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / RESULT, content.encode())
    page = folder / "report.html"
    size = write_report([folder], page)
    if json:
        out.print(content, markup=False, soft_wrap=True, end="")
        return
    say(sentence(tried))
    table = PlainTable(*HEAD, title="Last global model, by defence and attack")
    for row in rows(tried):
        table.add_row(*row)
    out.print(table)
    for flag in flags(tried):
        say(f"Red flag: {flag}", "bold red", lead=len("Red flag:"))
    out.print(f"Report: {page} ({size / 1e6:.1f} MB), and {folder / RESULT}", markup=False, soft_wrap=True)
