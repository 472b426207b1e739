from pathlib import Path

import pytest
from small import small

import fedlens
from fedlens.errors import ConfigError, RunError
from fedlens.report.figures import metrics_of_interest, save_figure
from fedlens.report.words import verdict


@pytest.fixture
def attacked(tmp_path: Path) -> fedlens.Run:
    return fedlens.run(small(control=True, fraction=0.5, rounds=6), tmp_path / "attacked")


def labels(panel: object) -> set[str]:
    return {str(line.get_label()) for line in panel.get_lines()}  # type: ignore[attr-defined]


def test_a_run_and_its_twin_have_a_panel_each(attacked: fedlens.Run) -> None:
    twin, ours = metrics_of_interest([attacked]).axes
    assert labels(twin) == {"global accuracy", "confidence in target class", "confidence in true class"}
    assert labels(ours) == labels(twin) | {"malicious model's accuracy", "attack in this round"}


def test_lines_show_the_recorded_values(attacked: fedlens.Run) -> None:
    twin, ours = metrics_of_interest([attacked]).axes
    for panel, column in ((twin, "control_confidence"), (ours, "confidence")):
        line = next(line for line in panel.get_lines() if line.get_label() == "confidence in target class")
        assert list(line.get_xdata()) == [1, 2, 3, 4, 5, 6]
        assert list(line.get_ydata()) == list(attacked.rounds[column])
    malicious = next(line for line in ours.get_lines() if line.get_label() == "malicious model's accuracy")
    rounds = attacked.rounds
    assert list(malicious.get_xdata()) == list(rounds["round"][rounds["attacker"]])
    assert 0 < len(malicious.get_xdata()) < 6


def test_several_runs_have_a_panel_each_with_the_twin_dashed(attacked: fedlens.Run, tmp_path: Path) -> None:
    other = fedlens.run(small(), tmp_path / "other")
    figure = metrics_of_interest([attacked, other])
    assert len(figure.axes) == 2
    assert "global accuracy, benign twin" in labels(figure.axes[0])
    assert "global accuracy, benign twin" not in labels(figure.axes[1])
    assert "attacked" in figure.axes[0].get_title()


def test_many_runs_wrap_and_hide_what_is_left_over(attacked: fedlens.Run) -> None:
    figure = metrics_of_interest([attacked] * 4)
    assert [panel.get_visible() for panel in figure.axes] == [True] * 4 + [False] * 2


def test_red_flags_stand_in_the_figure(attacked: fedlens.Run, tmp_path: Path) -> None:
    other = fedlens.run(small(), tmp_path / "other")
    for runs in ([other], [attacked, other]):
        written = [text.get_text() for panel in metrics_of_interest(runs).axes for text in panel.texts]
        assert any("no control" in text for text in written)


def test_formats(attacked: fedlens.Run, tmp_path: Path) -> None:
    figure = metrics_of_interest([attacked])
    assert save_figure(figure, tmp_path / "new" / "figure.svg").read_text().startswith("<?xml")
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf"):
        save_figure(figure, tmp_path / "figure")
    with pytest.raises(RunError, match="cannot write"):
        save_figure(figure, tmp_path / "new/figure.svg/figure.png")


def test_the_verdict_says_since_when_and_at_what_cost(tmp_path: Path) -> None:
    found = fedlens.run(small(), tmp_path / "run")
    target = found.records[-1]["target"]
    words = verdict(found)
    assert words.startswith("Success" if target["success"] else "No success")
    assert "test sample" in words
    changed = [
        {**record, "target": {**record["target"], "success": success, "predicted": [7]}, "control": None}
        for record, success in zip(found.records, [True, False, True], strict=True)
    ]
    later = fedlens.Run(found.path, found.experiment, changed, found.target, found.summary)
    assert verdict(later).startswith("Success: the target")
    assert "classified as 7 from round 3 on" in verdict(later)
    last = changed[-1]
    beside = {
        "quality": {**last["quality"], "accuracy": last["quality"]["accuracy"] + 0.0421},
        "target": last["target"],
    }
    twinned = [*changed[:-1], {**last, "control": beside}]
    assert "4.2 points below the benign twin" in verdict(
        fedlens.Run(found.path, found.experiment, twinned, found.target, found.summary)
    )


def test_there_is_no_verdict_without_attack(tmp_path: Path) -> None:
    assert not verdict(fedlens.run(small(attack=None), tmp_path / "run"))
