"""From ``fedlens run`` to a round, few files have to be read."""

import sys
from pathlib import Path

import pytest
from helpers.calling import called

import fedlens
from fedlens.runs.round_result import RoundResult
from fedlens.runs.state import FederationState
from fedlens.simulation.rounds import Federation

ROOT = Path(fedlens.__file__).parent
MOST_FILES = 10


def files_on_the_way() -> list[str]:
    """The files of fedlens in which the functions are that are being called, the outermost first, each once."""
    frame, files = sys._getframe(1), []
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        files += [file.relative_to(ROOT).as_posix()] if file.is_relative_to(ROOT) else []
        frame = frame.f_back
    return list(dict.fromkeys(reversed(files)))


def test_few_files_lie_between_the_command_and_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[list[str]] = []
    play = Federation.play

    def watched(self: Federation, state: FederationState) -> RoundResult:
        seen.append(files_on_the_way())
        return play(self, state)

    monkeypatch.setattr(Federation, "play", watched)
    monkeypatch.chdir(tmp_path)
    options = [
        "data=digits",
        "local.batch_size=20",
        "rounds=1",
        "checks=none",
        "model=census-mlp",
        "target.select=random",
    ]
    code, _, err = called(capsys, "run", "quickstart", "--engine", "serial", *(f"-o{one}" for one in options))
    assert code == 0, err
    twin, run = seen
    assert run[-4:] == ["cli/run.py", "simulation/simulation.py", "simulation/record_rounds.py", "simulation/rounds.py"]
    assert set(run) < set(twin)
    assert len(twin) <= MOST_FILES
