"""Components of a notebook, a REPL, standard input, and of a script whose name cannot be imported."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CELLS = [
    "import json, os\nimport fedlens\nfrom fedlens import *\nfrom torch import nn",
    "SCALE = 1.0\ndef helper(x):\n    return x * SCALE",
    """class Push(Attack):
    push: float = 5
    def craft(self, view):
        return helper(view.train()) * self.factor(view.alpha)""",
    """class Net(Model):
    def build(self, shape, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))""",
    """class Half(Rule):
    averages = True
    def aggregate(self, received):
        return Aggregate(received.updates.mean(0) * 0.5 * helper(1))""",
    """class Ears:
    def __init__(self): self.heard = []
    def begin(self, *_, **__): self.heard.append("begun")
    def remark(self, text): self.heard.append(text)
    def clients(self, *_): pass
    def round(self, *_): pass
    def end(self): pass""",
    """experiment = Experiment(
    name="nb", data="digits", model=Net(), attack=Push(push=7), aggregation=Half(), rounds=2, clients=4,
    local={"epochs": 1, "batch_size": 50}, target={"select": "random"}
)""",
    "ears = Ears()",
    "ran = run(experiment, 'runs/nb', observer=ears, engine=os.environ.get('ENGINE', 'auto'))",
    "again = load_run('runs/nb').experiment",
    "swept = sweep({'experiment': experiment.describe(), 'product': {'attack.push': [7, 9]}}, 'sweeps/s')",
    "same, name = again.describe() == experiment.describe(), again.describe()['attack']['name']",
    "reasons, rows = [reason for _, reason in swept.failures], len(swept.rounds)",
    "records = [record.plain() for record in ran.records]",
    "found = [experiment.identity(), same, name, records, ears.heard, reasons, rows]",
    "print('FOUND' + json.dumps(found))",
]
SESSION = "\n\n".join(CELLS) + "\n\n"
EDITED = SESSION.replace("SCALE = 1.0", "SCALE = 0.5")
NOTEBOOK = f"""
import sys, types
sys.modules["__main__"] = types.ModuleType("__main__")
for number, cell in enumerate({CELLS!r}):
    exec(compile(cell, f"<ipython-input-{{number}}>", "exec"), vars(sys.modules["__main__"]))
"""


def called(folder: Path, *command: str, given: str = "", **variables: str) -> tuple[list[Any], str]:
    """What a session found, and what it said aside; nothing where it ended before."""
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, aside = process.communicate(given)
    found = [line.removeprefix("FOUND") for line in out.splitlines() if line.startswith("FOUND")]
    return json.loads(found[0]) if found else [], aside


def written(folder: Path, name: str, code: str) -> tuple[list[Any], str]:
    """The same of a script."""
    (folder / name).write_text(code)
    return called(folder, name)


WAYS: dict[str, Callable[[Path], tuple[list[Any], str]]] = {
    "standard input": lambda folder: called(folder, "-", given=SESSION),
    "an argument": lambda folder: called(folder, "-c", SESSION),
    "a REPL": lambda folder: called(folder, "-i", "-q", given=SESSION),
    "a notebook": lambda folder: written(folder, "driver.py", NOTEBOOK),
    "a script": lambda folder: written(folder, "my-script.2.py", SESSION),
}


@pytest.mark.parametrize("way", WAYS)
def test_components_without_a_file_work(tmp_path: Path, way: str) -> None:
    found, aside = WAYS[way](tmp_path)
    assert found, aside
    _, same, name, records, _, reasons, rows = found
    assert (same, name) == (True, "__main__:Push")
    assert len(records) == 2
    assert (reasons, rows) == ([], 4)
    assert "only this session can go on with it" in aside
    assert "could import __main__:Net, __main__:Half, __main__:Push; to keep it" in aside


def test_edited_code_is_another_experiment_and_has_another_twin(tmp_path: Path) -> None:
    first, _ = called(tmp_path / "first", "-", given=SESSION)
    second, _ = called(tmp_path / "second", "-c", SESSION)
    edited, _ = called(tmp_path / "edited", "-", given=EDITED)
    assert first[0] == second[0] != edited[0]
    assert first[3] == second[3]
    assert [one[4].count("begun") for one in (first, second, edited)] == [2, 1, 2]  # with a twin, or the one kept
    assert edited[3][0]["control"] != first[3][0]["control"]  # which the rule made that has the helper


def test_workers_know_them(tmp_path: Path) -> None:
    found = [called(tmp_path / name, "-", given=SESSION, ENGINE=name)[0] for name in ("serial", "processes")]
    assert found[0][3] == found[1][3]


def test_another_session_shows_what_they_did_and_is_told_why_it_cannot_explain_it(tmp_path: Path) -> None:
    called(tmp_path, "-", given=SESSION)
    shown, explained = (
        called(tmp_path, "-c", "from fedlens.cli import main; main()", command, "runs/nb", PLAIN=command)[1]
        for command in ("show", "explain")
    )
    assert shown == ""
    aside = explained
    assert aside.startswith("Error: ")
    assert "defined in a notebook, REPL or standard input, which alone has it" in aside


def test_a_class_that_was_defined_anew_is_said_to_be(tmp_path: Path) -> None:
    found, aside = called(tmp_path, "-", given=SESSION.replace("ears = Ears()", f"{CELLS[2]}\n\nears = Ears()"))
    assert not found
    assert "__main__:Push has been defined anew since this component was made; make it again" in aside
