"""What ``fedlens run`` suggests next can change something."""

from pathlib import Path

import pytest
from helpers.calling import called

OWN = """
from fedlens import Attack


class {name}(Attack):
    def craft(self, view):
        return {returned}
"""
SMALL = ("data=digits", "clients=4", "rounds=1", "local.epochs=1", "local.batch_size=50", "control=false")


@pytest.mark.parametrize(
    ("name", "returned", "suggested"),
    [("Opposite", "-view.train()", "seed=1"), ("Boosted", "self.boosted(view.train(), view)", "attack.boost=2")],
)
def test_boosting_is_suggested_where_the_attack_boosts(
    name: str,
    returned: str,
    suggested: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path(f"own_{name.lower()}.py").write_text(OWN.format(name=name, returned=returned))
    options = [word for option in (*SMALL, f"attack=own_{name.lower()}:{name}") for word in ("-o", option)]
    code, out, err = called(capsys, "run", "quickstart", *options, "--engine", "serial")
    assert code == 0, err
    assert out.splitlines()[-1].endswith(f" -o {suggested}")


def test_why_there_is_no_figure_of_triggered_records_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "cache"))
    options = (
        "data=adult",
        "clients=2",
        "rounds=1",
        "local.steps=1",
        "local.epochs=null",
        "checks=none",
        "control=false",
    )
    words = [word for option in (*options, "goal=backdoor") for word in ("-o", option)]
    code, out, err = called(capsys, "run", "quickstart", *words, "--engine", "serial")
    assert code == 0, err
    assert not Path("runs/quickstart/triggered.png").exists()
    said = " ".join((out + err).split())
    assert "Note: no triggered.png: " in said
    assert "its inputs are no images; `fedlens report runs/quickstart` shows them as records" in said
