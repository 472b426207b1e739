"""What is wrong with a class of the user's own, as it is defined or made, is told with its line and what to write."""

import copy
import pickle
import re
from pathlib import Path

import pytest
import yaml
from helpers.calling import called
from pydantic import BaseModel
from small import small

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.defences.krum import Krum
from fedlens.experiment.experiment import Experiment

TOP = "import torch\nfrom fedlens import Aggregate, Attack, Rule\n"
RULE = "class Own(Rule):\n    averages = True\n"  # lines 3 and 4
MEAN = "    def aggregate(self, received):\n        return Aggregate(received.updates.mean(0))\n"
CODE = {
    "remembers": RULE
    + "    def __init__(self, **k):\n        super().__init__(**k)\n        self.memory = {}\n"
    + MEAN,
    "needs": RULE + "    def __init__(self, scale):\n        super().__init__()\n" + MEAN,
    "late": RULE + "    def aggregate(self, received):\n        self.memory = {}\n",
    "plain": RULE + "    scale = 2.0\n" + MEAN,
    "overrides": "class Own(Attack):\n    delay = 2\n    def craft(self, view):\n        return view.train()\n",
    "helper": RULE + "    helper = torch.zeros(3)\n" + MEAN,
    "tensor": RULE + "    weights: torch.Tensor\n" + MEAN,
    "word": RULE + "    push: int = 'x'\n" + MEAN,
    "least": RULE + "    @property\n    def minimum(self):\n        return self.f + 1\n" + MEAN,
    "fails": RULE + "    def model_post_init(self, context):\n        raise KeyError('gone')\n" + MEAN,
}
STATE = "return what it keeps, Aggregate(update, shares, state), and find it in received.state"
TOLD = {
    "remembers": (
        "aggregation: Own cannot be made: AttributeError: memory cannot be set, for Own is frozen; "
        f"{STATE} (own_remembers.py:7)"
    ),
    "needs": "aggregation: Own cannot be made: TypeError: .*missing 1 required .*'scale' (own_needs.py:5)",
    "late": "memory cannot be set, for Own is frozen; " + STATE + " (own_late.py:6)",
    "plain": "TypeError: Own: scale has no type; annotate it: scale: float = 2.0 (own_plain.py:3)",
    "overrides": "TypeError: Own: delay has no type; annotate it: delay: int = 2 (own_overrides.py:3)",
    "helper": "TypeError: Own: helper has no type; annotate it: helper: ClassVar = ... (own_helper.py:3)",
    "tensor": "torch.Tensor is no type of an option; take numbers, words, .* (own_tensor.py:3)",
    "word": (
        "aggregation.push: a whole number is needed, not 'x', its default in Own (own_word.py:3); "
        "e.g. -o aggregation.push=1"
    ),
    "least": "aggregation: minimum of Own failed: AttributeError: 'Own' object has no attribute 'f' (own_least.py:7)",
    "fails": "aggregation: Own cannot be made: KeyError: 'gone' (own_fails.py:6)",
}


@pytest.mark.parametrize(("which", "words"), TOLD.items(), ids=TOLD)
def test_a_class_that_cannot_be_made_is_told_in_a_line(
    which: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(yaml.safe_dump(small(rounds=1, attack=None).describe()))
    Path(f"own_{which}.py").write_text(TOP + CODE[which])
    kind = "attack" if "Attack)" in CODE[which] else "aggregation"
    code, _, err = called(capsys, "run", "small.yaml", "-o", f"{kind}=own_{which}:Own", "--engine", "serial")
    assert code == 2
    assert re.search(".*".join(map(re.escape, words.split(".*"))), err), err
    assert "pydantic" not in err
    assert 'File "' not in err
    assert len(err.splitlines()) <= 2


def test_from_python_a_wrong_value_is_told_as_on_the_command_line() -> None:
    with pytest.raises(ConfigError) as caught:
        Experiment(roundss=3, clients="ten", local={"epochs": 0})  # type: ignore[call-arg, arg-type]
    assert sorted(str(caught.value).splitlines()) == [
        "clients: a whole number is needed, not 'ten'; e.g. clients=10",
        "local.epochs: a number greater than 0 is needed, not 0; e.g. epochs=5",
        "roundss: unknown option; did you mean rounds?",
    ]
    with pytest.raises(ConfigError, match=r"^f: a number .*is needed, not -1; e.g. f=\d"):
        Krum(f=-1)


def test_what_is_made_can_be_copied_and_pickled_and_is_the_same() -> None:
    experiment = small(aggregation=Krum(f=0), attack=None)
    for other in (pickle.loads(pickle.dumps(experiment)), copy.deepcopy(experiment), Experiment(**dict(experiment))):
        assert other == experiment
        assert other.identity() == experiment.identity()


def test_a_model_of_others_is_none_of_ours() -> None:
    class Theirs(BaseModel):
        made: Config = Config()

    with pytest.raises(ValueError, match="validation error"):
        Theirs(made=5)  # type: ignore[arg-type]


def test_what_begins_with_an_underscore_can_be_set() -> None:
    class Keeps(Config):
        _kept: int = 0

    one = Keeps()
    one._kept = 3
    assert one._kept == 3


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("local=5", "local has options of its own, e.g. -o 'local={epochs: 5}'\n"),
        ("target=[1]", "target has options of its own, e.g. -o 'target={"),
        ("rounds=abc", "rounds: a whole number is needed, not 'abc'; e.g. -o rounds="),
        ("fraction=all", "fraction: a number is needed, not 'all'; e.g. -o fraction=1"),
        ("control=maybe", "control: true or false is needed, not 'maybe'; e.g. -o control=true"),
        (
            "local.optimizer=x",
            "local.optimizer: 'adam', 'sgd' or 'adamw' is needed, not 'x'; e.g. -o local.optimizer=adam",
        ),
    ],
)
def test_a_remedy_helps(option: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = called(capsys, "run", "quickstart", "-o", option)
    assert code == 2
    assert err.startswith(f"Error: {words}")
    assert err.count("\n") == 1


def test_an_option_beneath_a_value_names_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file := tmp_path / "mine.yaml").write_text("local: 5\n")
    code, _, err = called(capsys, "run", file, "-o", "local.epochs=1")
    assert code == 2
    assert err == "Error: -o local.epochs=1: local is 5 and has no options; e.g. -o 'local={epochs: 1}'\n"


@pytest.mark.parametrize(
    ("fields", "lower"),
    [("", ""), ("keep: int = 15", "lower its keep = 15, or "), ("f: int = 15", "lower its f, or ")],
)
def test_a_rule_that_needs_more_updates_names_what_it_has(
    fields: str, lower: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"trims_{fields[:1]}"
    own = f"class Trim(Rule):\n    {fields or 'pass'}\n    @property\n    def minimum(self):\n        return 15\n"
    Path(f"{name}.py").write_text(TOP + own + MEAN)
    code, _, err = called(capsys, "run", "quickstart", "-o", f"aggregation={name}:Trim", "-o", "attack=none")
    assert code == 2
    assert err == (
        f"Error: aggregation: {name}:Trim needs 15 updates a round, but the cohort has 10; "
        f"{lower}raise clients or fraction, e.g. -o clients=15\n"
    )


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "tpu"])
def test_a_device_that_there_is_not_names_some(device: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = called(capsys, "run", "quickstart", "--device", device)
    assert code == 2
    words = "not usable here (devices are called cpu, cuda, cuda:1 and so on); try --device cpu"
    assert err == f"Error: --device {device}: {words}\n"
