"""One version, wherever it is written."""

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_who_cites_cites_the_version_that_is_built() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == project["version"]
