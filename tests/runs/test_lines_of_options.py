"""A wrong value in a YAML file is reported with the file and the line that set it; one from -o by its option."""

from pathlib import Path

import pytest

import fedlens
from fedlens.core.parsing import line_of

TEXT = """\
data: digits
attack:
  name: explicit-boosting
  boost: [1]
local:
  epochs: -2
  batchsize: 3
checks:
  - distances
  - name: accuracy
    threshold: 7
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (file := tmp_path / "my.yaml").write_text(TEXT)
    return file


def refusal(file: Path, *assignments: str) -> list[str]:
    with pytest.raises(fedlens.ConfigError) as refused:
        fedlens.load_experiment(file, assignments)
    return [line.partition(": a ")[0].partition(": 'auto'")[0] for line in str(refused.value).splitlines()]


def test_every_line_names_the_line_of_its_value(file: Path) -> None:
    assert set(refusal(file)) == {
        f"{file}:4: attack.boost",
        f"{file}:6: local.epochs",
        f"{file}:7: local.batchsize: unknown option; did you mean local.batch_size?",
        f"{file}:11: checks.threshold",
    }


def test_what_was_typed_is_not_in_the_file(file: Path) -> None:
    found = refusal(file, "local.epochs=-3", "attack=honest", "checks=[]")
    assert found == ["local.epochs", f"{file}:7: local.batchsize: unknown option; did you mean local.batch_size?"]


def test_an_option_of_several_entries_is_found_at_its_list(file: Path) -> None:
    file.write_text("checks:\n  - {name: accuracy, threshold: 7}\n  - {name: statistics, threshold: -1}\n")
    assert line_of(file, "checks.threshold") == 1
    assert line_of(file, "rounds") is None
