"""The page on Flower's strategies says all that the table says, and where each statement is tested."""

import ast
import re
from pathlib import Path

from docs_flower import COMPARED, PACKAGE, TESTS, exported, names_page, strategies_page

from fedlens.analysis.flower_strategies import AGREEING, DEVIATIONS

ROOT = Path(__file__).parents[2]
TEXT = "\n".join(strategies_page())


def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_statement_has_a_section_with_words_file_and_a_test_that_exists() -> None:
    sections = dict(re.findall(r"^### (\S+)\n(.*?)(?=^### |\Z)", TEXT, re.DOTALL | re.MULTILINE))
    assert list(sections) == [deviation.code for deviation in DEVIATIONS]
    for deviation in DEVIATIONS:
        section = sections[deviation.code]
        assert deviation.words in section
        assert deviation.reference in section
        assert all(f"`{name.partition(':')[2]}`" in section for name in deviation.strategies)
        (test,) = re.findall(rf"{TESTS}::(\w+)", section)
        assert test in functions(TESTS)


def test_the_table_names_every_strategy_by_api_and_what_is_said_of_it() -> None:
    rows = {
        tuple(cell.strip() for cell in line.split("|")[1:3]): line
        for line in TEXT.splitlines()
        if line.startswith("| `") and " API |" in line
    }
    multi = rows["`MultiKrum`", "Message API"]
    assert "[claimed-weights](#claimed-weights)" in multi
    assert ("`MultiKrum`", "former API") not in rows  # of which nothing is said
    assert "[`krum`](../zoo/krum.md), f = 2" in rows["`Krum`", "former API"]
    said = {name for deviation in DEVIATIONS for name in deviation.strategies} | {one.strategy for one in AGREEING}
    assert len(rows) == len(said)


def test_the_agreements_are_tested() -> None:
    file, _, test = COMPARED.partition("::")
    assert test in functions(file)
    for one in AGREEING:
        assert f"| `{one.strategy}` |" in TEXT


def test_the_names_are_there_and_where_the_stub_says() -> None:
    assert ("screened", "Screened") in exported()
    text = "\n".join(names_page())
    for module, name in exported():
        assert f"::: {PACKAGE}.{module}.{name}" in text
        tree = ast.parse((ROOT / "src" / Path(*PACKAGE.split(".")) / f"{module}.py").read_text("utf-8"))
        assert name in {getattr(node, "name", "") for node in tree.body}
