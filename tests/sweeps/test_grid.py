from pathlib import Path
from typing import Any

import pytest

from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.core.parsing import dump_yaml
from fedlens.sweeps.grid import Grid, load_grid


def grid(**fields: Any) -> Grid:
    return validate(Grid, {"experiment": "quickstart", **fields})


def names(found: Grid) -> list[str]:
    return [str(cell) for cell in found.cells()]


def test_a_product_with_zipped_options_and_exclusions() -> None:
    cells = grid(
        options={"rounds": 2},
        product={"aggregation": ["mean", {"name": "krum", "f": 1}], "attack.boost": [2, 5], "seed": [0, 1]},
        zipped=[{"local.epochs": [1, 5], "local.batch_size": [10, 50]}],
        exclude=[{"aggregation": "krum", "attack.boost": 5}],
    ).cells()
    assert len(cells) == 2 * 2 * 2 * 2 - 4
    assert len({cell.key for cell in cells}) == len(cells)
    assert str(cells[0]) == "aggregation=mean, attack.boost=2, seed=0, local.epochs=1, local.batch_size=10"
    assert str(cells[1]) == "aggregation=mean, attack.boost=2, seed=0, local.epochs=5, local.batch_size=50"
    assert {cell.experiment.rounds for cell in cells if cell.experiment} == {2}
    assert {cell.labels["aggregation"] for cell in cells} == {"mean", "krum(f=1)"}


@pytest.mark.parametrize("first", ["attack", "attack.boost"])
def test_an_attack_keeps_its_options_in_whichever_order_they_are_written(first: str) -> None:
    factors = {"attack": ["none", "explicit-boosting", "data-poisoning"], "attack.boost": [2, 5]}
    cells = grid(product=dict(sorted(factors.items(), reverse=first != "attack"))).cells()
    boosts = [cell.experiment.attack and cell.experiment.attack.boost for cell in cells if cell.experiment]
    assert sorted(boosts, key=str) == [2, 2, 5, 5, None]  # there is nothing to boost without an attack
    (without,) = [cell for cell in cells if cell.values["attack"] == "none"]
    assert "attack.boost" not in without.values


def test_options_of_all_cells_apply_to_the_component_that_varies() -> None:
    attacks = ["none", "explicit-boosting", "data-poisoning"]
    cells = grid(options={"attack.boost": 3}, product={"attack": attacks}).cells()
    assert [cell.experiment.attack and cell.experiment.attack.boost for cell in cells if cell.experiment] == [
        None,
        3,
        3,
    ]


def test_what_is_the_same_is_one_cell() -> None:
    assert names(grid(product={"seed": [0, 0, 1], "aggregation": ["mean", {"name": "mean"}]})) == [
        "seed=0, aggregation=mean",
        "seed=1, aggregation=mean",
    ]


def test_an_impossible_cell_says_why_and_leaves_the_others() -> None:
    cells = grid(product={"aggregation": ["medain", "mean"]}).cells()
    assert [cell.experiment is None for cell in cells] == [True, False]
    assert "did you mean median?" in cells[0].error


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ({"attack": "none", "seed": 1}, 5),
        ([{"attack": "none"}, {"seed": [0, 1]}], 0),
        ({"aggregation": {"name": "krum", "f": 1}}, 4),
        ({"aggregation": "krum"}, 2),
        ({"aggregation": ["krum", "mean"], "seed": 0}, 3),
    ],
)
def test_exclusions(exclude: Any, left: int) -> None:
    if isinstance(exclude, dict) and "aggregation" in exclude:
        rules = ["mean", {"name": "krum", "f": 1}, {"name": "krum", "f": 2}]
        found = grid(options={"attack.boost": 2}, product={"aggregation": rules, "seed": [0, 1]}, exclude=exclude)
    else:
        attacks = [None, "explicit-boosting", "data-poisoning"]
        found = grid(product={"attack": attacks, "seed": [0, 1]}, exclude=exclude)
    if left:
        assert len(found.cells()) == left
    else:
        with pytest.raises(ConfigError, match="no cell is left"):
            found.cells()


SEEDS = {"seed": [0, 1]}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "a scalar": ({"product": {"seed": 3}}, r"seed: expected a list of values, \[3\]; .* options"),
    "a scalar, zipped": ({"zipped": [{"seed": 3}]}, r"seed: expected a list of values"),
    "a mapping": ({"product": {"attack": {"boost": [1]}}}, r"attack\.boost: \[\.\.\.\]"),
    "no values": ({"product": {"seed": []}}, "seed: has no values"),
    "nothing": ({"product": None}, "product: is empty"),
    "a list": ({"product": [1]}, "product: a mapping is needed"),
    "unequal lengths": ({"zipped": {**SEEDS, "rounds": [1]}}, "seed has 2, rounds has 1"),
    "an empty group": ({"zipped": [{}]}, "no options"),
    "twice": ({"product": SEEDS, "options": {"seed": 2}}, r"seed: given more than once.*product\.seed=\["),
    "twice, varying": ({"product": SEEDS, "zipped": SEEDS}, "seed: given more than once"),
    "twice, within a component": (
        {"product": {"attack": [{"name": "explicit-boosting", "boost": 3}]}, "options": {"attack.boost": 2}},
        r"attack\.boost: given more than once",
    ),
    "an unknown field": ({"prodct": SEEDS}, "did you mean product?"),
    "an unknown option": ({"product": {"atack.boost": [1]}}, "did you mean attack?"),
    "an unknown preset": ({"experiment": "quikstart"}, "did you mean quickstart?"),
    "excluding nothing": ({"product": SEEDS, "exclude": [{}]}, "at least one option"),
    "excluding what does not vary": ({"product": SEEDS, "exclude": {"sed": 1}}, "did you mean seed?"),
    "excluding what is not": ({"product": SEEDS, "exclude": {"seed": [0, 2]}}, "seed is never 2; known: 0, 1"),
    "no attack to boost": ({"options": {"attack": "none"}, "product": {"attack.boost": [2]}}, "none has no options"),
    "the same by two names": ({"product": {"name": ["a", "b"]}}, "count twice: name=a; and name=b"),
    "far too many": ({"product": {"seed": list(range(1000)), "rounds": list(range(1000))}}, "1,000,000 cells"),
    "no experiment": ({"experiment": 5}, "experiment"),
}


@pytest.mark.parametrize(("fields", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_with_its_place(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        grid(**fields).cells()


def test_a_grid_in_a_file_is_named_after_it_and_can_be_changed(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("{data: digits, rounds: 3}")
    file = tmp_path / "my rules.yaml"
    file.write_text("experiment: base.yaml\nproduct: {seed: [0, 1]}\n")
    found = load_grid(file, ["product.seed=[5]", "local.epochs=2", "options.clients=4", "about=mine"])
    assert (found.name, found.about) == ("my_rules", "mine")
    (cell,) = found.cells()
    assert cell.experiment is not None
    assert (cell.experiment.seed, cell.experiment.rounds, cell.experiment.clients) == (5, 3, 4)
    assert cell.experiment.local.epochs == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"rounds: 3\ndata: digits\n", r"this is an experiment .*fedlens run"),
        (b"- seed\n", "expected a grid"),
        (b"", "found an empty file"),
        (b"product: [\n", "line 2"),
        (b"experiment: quickstart\nproduct: {seed: 1}\n", r"grid\.yaml: product: seed: expected a list"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"product: {seed: [1]}\n", "experiment is required, e.g. -o experiment=quickstart"),
        (b"experiment: quikstart\n", r"grid\.yaml: .*did you mean quickstart\?"),
    ],
)
def test_a_file_that_is_no_grid(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "grid.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        load_grid(file)
    assert "grid.yaml" in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"grid\.yaml: .*No such file; its lines may be: experiment: "):
        load_grid(tmp_path / "grid.yaml")
    (tmp_path / "grids.yaml").touch()
    with pytest.raises(ConfigError, match=r"did you mean \S+/grids\.yaml\?"):
        load_grid(tmp_path / "grid.yml")
    with pytest.raises(ConfigError, match="directory"):
        load_grid(tmp_path)


def test_a_change_of_what_has_no_options_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "grid.yaml"
    file.write_text("experiment: quickstart\nname: mine\n")
    with pytest.raises(ConfigError, match=r"-o name\.x=1: name is 'mine' and has no options"):
        load_grid(file, ["name.x=1"])


def test_the_grid_that_is_kept_has_the_experiment_of_a_file_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("team.yaml").write_text("{data: digits, clients: 4, local: {epochs: 1}}")
    Path("grid.yaml").write_text("{experiment: team.yaml, product: {seed: [0, 1]}}")
    made = load_grid("grid.yaml")
    kept = made.whole()
    assert kept.experiment == {"data": "digits", "clients": 4, "local": {"epochs": 1}}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "sweep.yaml").write_text(dump_yaml(kept.model_dump(mode="json")))
    monkeypatch.chdir(elsewhere)
    assert [cell.key for cell in load_grid("sweep.yaml").cells()] == [cell.key for cell in made.cells()]


def test_a_preset_keeps_its_name_and_classes_of_ones_own_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert grid(product={"seed": [0]}).whole().experiment == "quickstart"
    Path("besides.py").write_text("from fedlens import Attack\n\n\nclass Mine(Attack):\n    pass\n")
    Path("mine.yaml").write_text("{data: digits, clients: 4, attack: besides:Mine}")
    assert grid(experiment="mine.yaml").whole().experiment == str(tmp_path / "mine.yaml")
