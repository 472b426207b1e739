"""What cannot be judged is a result: it says why, what to type, and that works."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from helpers.calling import called
from small import lopsided


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("mine.yaml").write_text(yaml.safe_dump(lopsided().describe()))


def test_a_run_that_cannot_be_judged_names_remedies_that_work(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "mine.yaml", "--out", "run"]
    for _ in range(2):  # nothing of the first stands in the second's way
        code, _, err = called(capsys, *command)
        assert code == 2
        assert re.match(
            r"Cannot be judged: without attack, the model gets 0 of 34 test samples of class 0 right with "
            r"confidence ≥ 0\.5, and 1 is needed; train for longer, e\.g\. -o rounds=8, or take another seed, "
            r"e\.g\. -o seed=1, or take a class of which it gets \d+ right, e\.g\. -o target\.source=\d, or ",
            err,
        )
        assert not Path("run").exists()
    remedies = re.findall(r"-o target\.(?:source|select)=\S+", err)
    assert len(remedies) == 2
    for number, remedy in enumerate(remedies):
        option = shlex.split(remedy.rstrip(",.;"))
        assert called(capsys, "run", "mine.yaml", "--out", f"run-{number}", *option)[0] == 0


def test_to_a_model_that_has_learnt_nothing_no_seed_is_suggested_but_rounds_that_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["run", "quickstart", "-o", "data=digits"]
    code, _, err = called(capsys, *command, "-o", "rounds=1", "--out", "run")
    assert code == 2
    assert re.search(r"train for longer, e\.g\. -o rounds=6, or take any samples", err), err
    assert "seed" not in err
    assert called(capsys, *command, "-o", "rounds=6", "--out", "longer")[0] == 0
