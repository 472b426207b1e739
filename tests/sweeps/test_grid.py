from fedlens.config import validate
from fedlens.sweeps.grid import Grid


def test_a_product_with_zipped_options_and_exclusions() -> None:
    grid = validate(
        Grid,
        {
            "experiment": "quickstart",
            "options": {"rounds": 2},
            "product": {"aggregation": ["mean", {"name": "krum", "f": 1}], "attack.boost": [2, 5], "seed": [0, 1]},
            "zipped": [{"local.epochs": [1, 5], "local.batch_size": [10, 50]}],
            "exclude": [{"aggregation": "krum", "attack.boost": 5}],
        },
    )
    cells = grid.cells()
    assert len(cells) == 2 * 2 * 2 * 2 - 4
    assert len({cell.key for cell in cells}) == len(cells)
    assert str(cells[0]) == "aggregation=mean, attack.boost=2, seed=0, local.epochs=1, local.batch_size=10"
    assert cells[0].experiment is not None
    assert cells[0].experiment.rounds == 2
    assert {cell.labels["aggregation"] for cell in cells} == {"mean", "krum(f=1)"}
