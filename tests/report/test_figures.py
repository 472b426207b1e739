from pathlib import Path

import pytest
from handmade import Made
from small import small

import fedlens
from fedlens.cli.look import plot
from fedlens.core.errors import ConfigError, DamagedRunError, RunError
from fedlens.report.figures.figures import KINDS, draw, figures_of, save_figure


def names(run: fedlens.Run) -> list[str]:
    return [name for name, _ in figures_of(run)]


def test_a_run_has_every_figure_that_it_has_data_for(
    checked: fedlens.Run, partial: fedlens.Run, plain: fedlens.Run
) -> None:
    assert names(checked) == ["metrics", "updates", "evolution", "distances", "checks"]
    assert names(partial) == names(checked)
    assert names(plain) == ["metrics"]


def test_the_selection_is_shown_where_updates_differ_in_weight(tmp_path: Path) -> None:
    median = small(aggregation="median", attack={"name": "explicit-boosting", "boost": 2, "step_cap": 5}, rounds=1)
    assert names(fedlens.run(median, tmp_path / "median")) == ["metrics", "selection"]
    rejecting = small(clients=6, rounds=1, checks=[{"name": "distances", "action": "reject"}])
    run = fedlens.run(rejecting, tmp_path / "rejecting")
    assert run.records[0].rejected
    assert "selection" in names(run)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "triggered"])
def test_every_figure_can_be_written(partial: fedlens.Run, tmp_path: Path, kind: str) -> None:
    figure = draw(kind, [partial])
    for ending, beginning in {"png": b"\x89PNG", "svg": b"<?xml"}.items():
        assert save_figure(figure, tmp_path / f"{kind}.{ending}").read_bytes().startswith(beginning)


def test_only_the_updates_are_about_one_round(checked: fedlens.Run) -> None:
    assert draw("updates", [checked], 2).axes[0].get_title(loc="left").endswith("round 2")
    for kind in set(KINDS) - {"updates"}:
        with pytest.raises(ConfigError, match=rf"--round: {kind} shows every round"):
            draw(kind, [checked], 2)


def test_a_missing_table_is_a_damaged_run(made: Made) -> None:
    run = made.histograms([[[1] * 4] * 4])
    (run.path / "checks" / "00001.safetensors").unlink()
    with pytest.raises(DamagedRunError, match=r"00001.safetensors: the histograms are missing"):
        draw("updates", [run])


def test_formats(checked: fedlens.Run, tmp_path: Path) -> None:
    figure = draw("metrics", [checked])
    assert save_figure(figure, tmp_path / "new" / "figure.svg").read_text().startswith("<?xml")
    assert save_figure(figure, tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf"):
        save_figure(figure, tmp_path / "figure")
    with pytest.raises(RunError, match="cannot write"):
        save_figure(figure, tmp_path / "new/figure.svg/figure.png")


def test_the_command_names_the_file_by_the_kind(
    checked: fedlens.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plot([checked.path])
    plot([checked.path, checked.path], kind="distances")
    plot([checked.path], kind="updates", round_=1, output=Path("first.svg"))
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["distances.png", "first.svg", "metrics.png"]
    with pytest.raises(ConfigError, match="--round"):
        plot([checked.path], round_=1)


def test_dollar_signs_and_long_names_are_shown_as_they_are(checked: fedlens.Run, tmp_path: Path) -> None:
    name = f"a$b$c-{'long-' * 20}"
    run = fedlens.Run(tmp_path / name, checked.experiment, checked.records, checked.target, checked.summary)
    written = save_figure(draw("checks", [run, run]), tmp_path / "figure.svg").read_text()
    assert "a$b$c-" in written
    assert name not in written
