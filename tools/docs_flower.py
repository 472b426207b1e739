"""The pages on Flower: what its strategies do, and what `fedlens.bridges.flower` exports, read without Flower."""

import re
from collections.abc import Iterator
from pathlib import Path

from docs_markdown import code, fence, table

import fedlens
from fedlens.analysis.flower_strategies import (
    AGREEING,
    DEVIATIONS,
    FORMER,
    FOUND_ON,
    FOUND_WITH,
    MESSAGE,
    SAME_WITH,
    Deviation,
)

PACKAGE = "fedlens.bridges.flower"
TESTS = "tests/bridges/flower/test_strategies.py"
COMPARED = "tests/bridges/flower/test_strategy_rule.py::test_what_is_called_alike_is_alike_where_nothing_is_odd"
EXAMPLE = """\
aggregation:
  name: flower
  make: "flwr.serverapp.strategy:Krum"
  options: {num_malicious_nodes: 1}
"""
APIS = {MESSAGE: "Message API", FORMER: "former API"}


def strategies_page() -> Iterator[str]:
    """Yield the page."""
    yield "# What Flower's strategies do"
    yield ""
    yield (
        f"Strategies of [Flower](https://flower.ai) beside the definitions that they are named after. All of it was "
        f"found by calling them, with flwr {FOUND_WITH}, on {FOUND_ON}; a test calls them again, one at least for each "
        f"statement, and fails when Flower changes what is said here: with {SAME_WITH} all is the same. Files are "
        f"those of {FOUND_WITH}, below `flwr`."
    )
    yield ""
    yield (
        "A run whose server is such a strategy shows the statements on it as red flags, and so do reports on it. That "
        "needs the extra `flower`:"
    )
    yield ""
    yield from fence("yaml", EXAMPLE)
    yield (
        f"The *Message API* is the module `{MESSAGE}`; the *former API* is `{FORMER}`. *n* is the number of clients, "
        "*f* that of attackers among them."
    )
    yield ""
    yield "## All at a glance"
    yield ""
    yield "A strategy that is not here was not looked at."
    yield ""
    names = [name for deviation in DEVIATIONS for name in deviation.strategies]
    names += [agreement.strategy for agreement in AGREEING]
    ordered = sorted(dict.fromkeys(names), key=lambda name: (name.partition(":")[2], name.partition(":")[0] == FORMER))
    yield from table(("strategy", "API", "flwr", "compared with", "otherwise"), map(_row, ordered))
    yield "## Those that agree"
    yield ""
    yield (
        "On twelve updates that are about as long as the weights, in 20 draws, these make of updates what fedlens' "
        f"rule makes of them (to 2e-6, `{COMPARED}`). That holds as long as none of the statements below applies."
    )
    yield ""
    yield from table(
        ("strategy", "options", "rule of fedlens"),
        (
            (f"`{one.strategy}`", code(f"{name}={value}" for name, value in one.options.items()), _rule(one.rule))
            for one in AGREEING
        ),
    )
    yield "## What is otherwise"
    yield ""
    for deviation in DEVIATIONS:
        yield from _statement(deviation)
    yield (
        "Is one of these wrong, or no longer true? Open an issue by the template *Correction*: it is looked at again."
    )
    yield ""


def names_page() -> Iterator[str]:
    """Yield the public names, documented by their docstrings, which are read and not imported."""
    yield f"# {PACKAGE}"
    yield ""
    yield (
        "For [Flower](https://flower.ai), with the extra `flower`. [Screen updates in Flower](../how-to/"
        "flower-screening.md) shows how these are used. Other names of Python are on [a page of their own](python.md)."
    )
    yield ""
    for module, name in exported():
        yield from (f"::: {PACKAGE}.{module}.{name}", "")


def exported() -> list[tuple[str, str]]:
    """Return the module and name of whatever the package exports."""
    stub = Path(fedlens.__file__).parent / "bridges" / "flower" / "__init__.pyi"
    return re.findall(r"^from \.(\w+) import (\w+)", stub.read_text("utf-8"), re.MULTILINE)


def _row(name: str) -> list[str]:
    module, _, cls = name.partition(":")
    rules = [_rule(one.rule) for one in AGREEING if one.strategy == name]
    codes = [f"[{one.code}](#{one.code})" for one in DEVIATIONS if name in one.strategies]
    return [f"`{cls}`", APIS[module], FOUND_WITH, "; ".join(rules), ", ".join(codes)]


def _rule(rule: object) -> str:
    assert isinstance(rule, dict)
    options = ", ".join(f"{name} = {value}" for name, value in rule.items() if name != "name")
    return f"[`{rule['name']}`](../zoo/{rule['name']}.md)" + (f", {options}" if options else "")


def _statement(deviation: Deviation) -> Iterator[str]:
    yield f"### {deviation.code}"
    yield ""
    names = [name.partition(":") for name in deviation.strategies]
    by_api = {
        module: code(cls for own, _, cls in names if own == module)
        for module in APIS
        if any(own == module for own, _, _ in names)
    }
    who = "; ".join(f"{classes} ({APIS[module]})" for module, classes in by_api.items())
    yield f"Each of these {deviation.words}: {who}." if len(names) > 1 else f"{who} {deviation.words}."
    yield ""
    yield f"- Compared with: {deviation.reference}."
    yield f"- Where: {code(deviation.file.split(', '))}, flwr {FOUND_WITH}, {FOUND_ON}."
    yield f"- Found by: `{TESTS}::test_{deviation.code.replace('-', '_')}`."
    yield ""
