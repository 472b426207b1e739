"""The documentation does what it says: every command and every piece of Python on its pages, and the generated ones."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from docs_cards import card_pages
from docs_commands import commands, commands_page
from docs_loads import loads, loads_of
from docs_options import KINDS, experiment_page, kind_page
from pages import DOCS, README, Block, blocks, follow, plain, require_possible, require_possible_cells, require_shown

import fedlens
from fedlens.core.registry import BUILT_IN, resolve
from fedlens.data.adult import Adult
from fedlens.data.partition import Iid
from fedlens.experiment.presets import presets
from fedlens.sweeps.grid import load_grid

LANGUAGES = {"sh", "python", "yaml", "text"}
BY_COMMAND = DOCS / "reproduction"
"""Its pages are about runs of hours, some of them written by a command."""
PAGES = sorted(path for path in DOCS.rglob("*.md") if BY_COMMAND not in path.parents)
GRIDS = [*sorted(BY_COMMAND.glob("grids/*.yaml")), DOCS / "zoo" / "grid.yaml"]
WITHOUT_COMMANDS = {
    "speed.md",
    "explanation/choosing.md",
    "explanation/paper.md",
    "reference/stability.md",
    "reference/changes-0.2.md",
}
CLUSTER = "10.0.0.1:6379"
"""The address of the pages' cluster; here another one stands for it."""
ON_CLUSTER = [path for path in PAGES if CLUSTER in path.read_text("utf-8")]
ALONE = [path for path in PAGES if path not in ON_CLUSTER]
ONLY_READ = {
    "index.md": ["make demo", "source .venv/bin/activate", "pip install -c constraints.txt ."],  # install
    "tutorial.md": ["make demo", "source .venv/bin/activate"],
    "how-to/fashion-mnist.md": [  # download, or take minutes to weeks
        "fedlens partition fashion",
        "FEDLENS_DATA=/data/fashion fedlens partition fashion",
        "fedlens run fashion",
        "fedlens run fig4-alternating",
        "fedlens run fig4-alternating-paper",
        "fedlens run --resume --out runs/fig4-alternating-paper",
        "fedlens reproduce --scale paper --seeds 3 --targets 2 --out paper-scale",
        "fedlens reproduce fig4 C10 --scale paper --out paper-scale",
    ],
    "how-to/flower-screening.md": ["fedlens report screening.jsonl --output screening.html"],  # needs Flower
    "how-to/gpu.md": [  # need a GPU
        "fedlens run fig4-alternating-paper --device cuda",
        "fedlens run fig4-alternating-paper --device cuda:1 --engine vectorised",
        "fedlens sweep rules.yaml --device cuda --jobs 1",
        "fedlens reproduce fig4 --scale paper --device cuda --jobs 1 --out paper",
    ],
    "how-to/audit.md": [  # take minutes
        "fedlens audit mine.yaml -o aggregation={name: rules:Leaky} --effort quick --plan",
        "fedlens audit mine.yaml -o aggregation={name: rules:Leaky} --effort quick",
        "fedlens report audits/mine --output again.html",
    ],
    "how-to/flower-app.md": [  # need Flower, which has an environment of its own
        "pip install .[flower]",
        "fedlens flower test my_app --model my_app.task:Net --targets mine:targets --test mine:test --data mine:data",
    ],
    "how-to/flower-deployed.md": [  # need Flower
        "flower-superlink --insecure --disable-runtime-dependency-installation",
        "flower-supernode --insecure --superlink 127.0.0.1:8000 --node-config partition-id=0 num-partitions=2",
        "fedlens flower node --superlink 127.0.0.1:8000 --attack mine:evil --app my_app -- --insecure --port 9095 "
        "--node-config partition-id=1 num-partitions=2",
        "flwr run my_app here --stream",
        "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout ca.key -out ca.crt -subj /CN=test authority",
        "openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
        r"printf subjectAltName=DNS:localhost,IP:127.0.0.1\n > names",
        "openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 30 "
        "-extfile names",
        "fedlens flower node --superlink fl.example.org:8000 --attack mine:evil --authorised Jo Doe, ticket 12 -- "
        "--root-certificates ca.crt",
    ],
    "how-to/ray.md": ["fedlens reproduce --on ray --address 10.0.0.1:6379"],  # takes hours
}
"""All commands of the pages that are not run, nor any like them in their place; it is seen that they can be meant."""
RULES = """
experiment: {data: digits, model: census-mlp, clients: 4, rounds: 1, control: false}
options: {local.batch_size: 50, attack: {name: explicit-boosting, boost: 2, step_cap: 10}}
product: {aggregation: [mean, median]}
"""
"""The grid that pages call by the name that the README gives to its own."""


def name(path: Path) -> str:
    return str(path.relative_to(DOCS))


def page(path: Path) -> list[Block]:
    return list(blocks(path.read_text("utf-8")))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory, a wide terminal, and what a page defines can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "rules.yaml").write_text(RULES)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_page_has_commands_and_says_what_its_blocks_are(path: Path) -> None:
    found = page(path)
    assert {block.language for block in found} <= LANGUAGES
    runnable = [block for block in found if block.commands or block.language == "python"]
    assert bool(runnable) == (name(path) not in WITHOUT_COMMANDS)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_what_is_not_run_is_listed(path: Path) -> None:
    found = [" ".join(words) for block in page(path) for words in block.only_read]
    assert found == ONLY_READ.get(name(path), [])


def test_the_readme_s_commands_can_be_meant(elsewhere: None) -> None:
    found = list(blocks(README.read_text("utf-8")))
    for block in found:
        if named := re.match(r"# (\w+\.\w+)\n", block.text):
            Path(named[1]).write_text(block.text)
    lines = [line for block in found if not block.language for line in block.text.splitlines()]
    assert len(lines) > 20
    for line in lines:
        require_possible(shlex.split(line, comments=True))


@pytest.mark.parametrize("path", [path for path in ALONE if name(path) not in WITHOUT_COMMANDS], ids=name)
def test_what_a_page_says_works(path: Path, elsewhere: None, capsys: pytest.CaptureFixture[str]) -> None:
    follow(page(path), capsys)


@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("path", ON_CLUSTER, ids=name)
def test_what_a_page_says_of_clusters_works(
    path: Path, elsewhere: None, machines: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    follow(page(path), capsys, {CLUSTER: machines.address})


@pytest.mark.parametrize("path", sorted(set(BY_COMMAND.glob("*.md")) - {BY_COMMAND / "README.md"}), ids=name)
def test_commands_of_long_runs_can_be_meant(path: Path) -> None:
    lines = [line for block in page(path) for line in block.text.splitlines() if line.startswith("fedlens ")]
    assert lines
    for line in lines:
        require_possible(line.partition(" #")[0].split())


@pytest.mark.parametrize("path", GRIDS, ids=name)
def test_grids_of_long_sweeps_have_cells_that_can_be_run(path: Path, tmp_path: Path) -> None:
    cells = load_grid(path).cells()
    require_possible_cells(cells)
    experiment = cells[0].experiment
    assert experiment is not None
    if isinstance(experiment.data, Adult):  # the others' data would have to be downloaded
        small = {"rounds": 1, "control": False, "partition": Iid(samples=200)}
        fedlens.run(experiment.model_copy(update=small), tmp_path / "run", engine="serial")


def test_a_wrong_page_is_noticed(elsewhere: None, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["fedlens", "run", "--sped"], ["fedlens", "run", "quickstart", "-o", "roundz=3"], ["make", "tea"]):
        with pytest.raises(Exception, match=r"sped|roundz|tea"):
            require_possible(words)
    with pytest.raises(AssertionError, match="not printed"):
        require_shown("accuracy 1.0\ndone", "done\naccuracy 0.93")
    require_shown("accuracy  1.0 %\n ─────", "so far\nthe accuracy 93.2 % of all")
    text = "<!-- not run: long; in its place: fedlens list && fedlens run a -->\n"
    text += "```sh\nmake demo # comment\nfedlens run b\n```\n"
    text += '```yaml title="a.yaml"\n1\n```'
    first, second = blocks(text)
    assert (first.not_run, first.instead) == (True, [["fedlens", "list"], ["fedlens", "run", "a"]])
    assert (first.commands, first.only_read) == ([["make", "demo"], ["fedlens", "run", "b"]], [["make", "demo"]])
    assert (second.not_run, second.title, second.text, second.only_read) == (False, "a.yaml", "1\n", [])
    with pytest.raises(AssertionError, match="fedlens"):
        follow(list(blocks("```sh\nrm -r /\n```")), capsys)
    with pytest.raises(AssertionError, match="in one line"):
        list(blocks("<!-- not run: takes a day; in its place: fedlens list -o\n a -->\n```sh\nfedlens run a\n```"))
    with pytest.raises(AssertionError, match="not printed"):
        follow(list(blocks("```python\nprint('one')\n```\n```text\ntwo\n```")), capsys)


@pytest.mark.parametrize("kind", KINDS)
def test_every_component_is_there_with_every_option(kind: str) -> None:
    text = "\n".join(kind_page(kind))
    assert text.count("\n## ") >= len(BUILT_IN[kind])
    for component, section in zip(BUILT_IN[kind], text.split("\n## ")[1:], strict=False):
        assert section.startswith(f"`{component}`")
        for option in resolve(kind, component).model_fields:
            (row,) = [line for line in section.splitlines() if line.startswith(f"| `{option}` |")]
            require_told(row)


def test_every_option_of_an_experiment_is_there() -> None:
    rows = [line for line in experiment_page() if line.startswith("| `") and line.count("|") == 5]
    options = {row.split("`")[1] for row in rows}
    assert {"clients", "attack", "local.epochs", "target.draw", "checks"} <= options
    for row in rows:
        require_told(row)


def require_told(row: str) -> None:
    """Every option has a type, a default and a meaning."""
    assert all(cell.strip() for cell in row.strip("|").split("|")), row


def test_every_option_of_the_command_line_is_there() -> None:
    text = "\n".join(commands_page())
    for command, section in zip(commands(), text.split("\n## ")[1:], strict=True):
        assert section.startswith(f"fedlens {command} ")
        for option in commands()[command].params:
            if option.param_type_name == "option":
                assert all(f"`{word}`" in section for word in option.opts)


def test_every_preset_has_a_card_that_can_be_run() -> None:
    pages = card_pages(DOCS)
    text = "\n".join(line for lines in pages.values() for line in lines)
    for preset, described in presets().items():
        if preset == described.scales.get("quick") and described.negative is None:
            assert text.count(f"\n## {preset} ") == 1
            assert all(claim in text for claim in described.claims.values())
    runnable = [words for lines in pages.values() for block in blocks("\n".join(lines)) for words in block.commands]
    assert len(runnable) == sum(bool(one.claims) and one.negative is None for one in presets().values())
    for words in runnable:
        require_possible(words)


def test_a_card_has_what_the_reproduction_found(tmp_path: Path) -> None:
    assert "no result of this preset yet" in "\n".join(card_pages(tmp_path)["figure-1"])
    lines = [plain(line) for line in card_pages(DOCS)["figure-7"]]
    assert any(line.startswith("| baseline: final accuracy less the twin's | # | ≤ #") for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/a.js"></script>',
        "<link rel=stylesheet href=//fonts.example/css>",
        "<img alt='a' src='http://example/a.png'>",
        "@import 'https://fonts.example/css';",
        "a { background: url(https://example/a.png) }",
    ],
)
def test_what_a_site_loads_from_elsewhere_is_found(text: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(text)
    assert len(loads_of(tmp_path)) == 1
    assert not loads('<a href="https://example">there</a> <img src="a.png"> url(b.png) https://example')
