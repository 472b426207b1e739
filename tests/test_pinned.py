"""Results do not change unless they are meant to: identities, and the bits of small runs."""

import json
from pathlib import Path

import pinned
import pytest

from fedlens.core.numerics import BITS
from fedlens.core.registry import BUILT_IN
from fedlens.runs.loading import load_experiment

LATER = {
    "a-little-is-enough",
    "a3fl",
    "adaptive-ipm",
    "agr-tailored",
    "anticipate",
    "badnets",
    "chameleon",
    "constrain-and-scale",
    "dba",
    "dynamic-label-flipping",
    "fang-krum",
    "fang-trimmed-mean",
    "free-rider",
    "gaussian",
    "inner-product-manipulation",
    "label-flipping",
    "mimic",
    "min-max",
    "min-sum",
    "model-replacement",
    "neurotoxin",
    "norm-filter",
    "pgd",
    "sign-flipping",
    "train-and-scale",
}
"""Components that came after these runs; their own tests have their values."""

KNOWN = json.loads(pinned.FILE.read_text())


@pytest.mark.parametrize("name", pinned.RUNS)
def test_a_small_run_gives_what_it_always_gave(name: str, tmp_path: Path) -> None:
    """Bit for bit where PyTorch, NumPy and processor are those of then, else up to rounding in the first round."""
    numerics, gave = pinned.played(name, tmp_path)
    known = dict(KNOWN[name])
    assert gave["identity"] == known["identity"]
    assert gave["first"] == pytest.approx(known["first"], rel=0.05)
    if pinned.of_machine(numerics) == pinned.of_machine(known["numerics"]):
        assert gave["digest"] == known["digest"], "raise fedlens.core.numerics.BITS, and run tests/pinned.py"


def test_the_number_of_the_bits_is_that_of_what_is_pinned() -> None:
    assert KNOWN["bits"] == BITS


def test_these_runs_have_everything_between_them() -> None:
    every = [pinned.experiment(name)[0].describe() for name in pinned.RUNS]
    used = {kind: {one[kind]["name"] for one in every if one[kind] != "none"} for kind in ("attack", "aggregation")}
    assert used == {kind: set(BUILT_IN[kind]) - LATER for kind in used}
    assert {check["name"] for one in every for check in one["checks"]} == set(BUILT_IN["checks"]) - LATER
    assert {pinned.experiment(name)[1] for name in pinned.RUNS} == {"serial", "processes", "vectorised"}
    assert {one["attack"]["estimate"] for one in every} == {None, "pre", "post"}


def test_the_presets_keep_their_identities() -> None:
    from fedlens.experiment.presets import presets

    known = json.loads(Path(__file__).with_name("identities.json").read_text())
    assert {name: load_experiment(name).identity() for name in presets()} == known
