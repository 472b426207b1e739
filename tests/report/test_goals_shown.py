"""Runs for a goal other than target samples: their verdict, tables, flags, figures and pages."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.calling import called
from rich.console import Console
from small import small

import fedlens
from fedlens.analysis.flags import flags
from fedlens.analysis.goal_flags import goal_control, unseen, untriggered
from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.analysis.summary import summarise
from fedlens.analysis.window import lifespans
from fedlens.core.errors import ConfigError
from fedlens.goals.answers import BackdoorRecord
from fedlens.goals.target_samples import Target
from fedlens.report.figures.figures import draw, figures_of
from fedlens.report.figures.metrics import metrics_of_interest
from fedlens.report.html.metrics import metrics_chart
from fedlens.report.terminal.progress import Terminal
from fedlens.report.terminal.sweep_progress import _words
from fedlens.report.terminal.tables import rounds_table, summary_lines
from fedlens.report.verdict import verdict
from fedlens.runs.record import RoundRecord
from fedlens.simulation.callback import Event
from fedlens.sweeps.tasks import Reporter
from fedlens.watch.run_list import list_runs

CLASSES = [str(number) for number in range(10)]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two rounds with a backdoor, one after it; its twin is in ``cache`` beside it."""
    attack = {"name": "data-poisoning", "boost": 4, "until": 3}
    local = {"epochs": 2, "batch_size": 20, "learning_rate": 0.003}
    goal = {"name": "backdoor", "trigger": {"name": "distributed", "size": 3}}
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDLENS_CACHE", str(folder / "cache"))
        experiment = small(target=Target(), control=True, goal=goal, attack=attack, local=local)
        return fedlens.run(experiment, folder / "planted", engine="serial")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDLENS_CACHE", str(tmp_path_factory.mktemp("cache")))
        experiment = small(
            target=Target(), control=True, rounds=2, clients=4, goal="damage", attack="explicit-boosting"
        )
        return fedlens.run(experiment, tmp_path_factory.mktemp("runs") / "damaged", engine="serial")


def rated(run: Run, *rates: tuple[float, float], met: list[bool], twins: int = 1, **changes: Any) -> Run:
    """`run` with these success rates of 100 inputs, its own and its twin's, in its rounds; `twins` are untriggered."""

    def answers(rate: float) -> BackdoorRecord:
        usual = {"hits": round(100 * rate), "count": 100, "probability": rate, "untriggered": 1, "effect": 0.5}
        return BackdoorRecord(**usual | changes)

    records: list[RoundRecord] = []
    for record, (rate, twin), reached in zip(run.records, rates, met, strict=True):
        assert record.twin is not None
        beside = replace(record.twin, backdoor=replace(answers(twin), untriggered=twins))
        records.append(replace(record, backdoor=answers(rate), twin=beside, goal_met=reached))
    return replace(run, records=records, summary=summarise(run.experiment, records, None, CLASSES))


# In words


@pytest.mark.parametrize(
    ("met", "begins"),
    [
        ([True, True, False], "Attack succeeded, in 2 of 2 rounds: after round 2 80.0 % of 100 test samples"),
        ([False, True, False], "Attack succeeded, in 1 of 2 rounds:"),
        ([True, False, True], "Attack failed in the last round, though the goal was met in 1 of 2 rounds:"),
        ([False, False, True], "Attack failed:"),
    ],
)
def test_the_window_decides_by_its_last_round_and_its_majority(planted: Run, met: list[bool], begins: str) -> None:
    run = rated(planted, (0.7, 0), (0.8, 0.05), (0.3, 0), met=met)
    assert verdict(run).startswith(begins)
    assert "with the trigger are taken for class 7 (without attack 5.0 %); test accuracy" in verdict(run)
    assert verdict(run).endswith("1 round after the attack, that rate is below 50 %.")
    assert run.summary is not None
    assert run.summary.goal is not None
    assert run.summary.goal.met is begins.startswith("Attack succeeded")
    assert lifespans(run.experiment, run.records)["lifespan"] == 1
    assert lifespans(run.experiment, run.records)["lifespan_area"] == pytest.approx(0.3)


def test_a_last_round_alone_is_no_success() -> None:
    experiment = small(target=Target(), control=True, rounds=3, goal="damage", attack="explicit-boosting")
    done = list(fedlens.simulate(experiment, engine="serial"))
    records = [replace(result.record, goal_met=index == 2) for index, result in enumerate(done)]
    summary = summarise(experiment, records, None, CLASSES)
    assert summary.goal is not None
    assert (summary.goal.met, summary.goal.met_rounds) == (False, 1)


def test_damage_in_words(damaged: Run) -> None:
    last = damaged.records[-1]
    assert last.twin is not None
    points = 100 * (last.twin.quality.accuracy - last.quality.accuracy)
    assert f"{abs(points):.1f} points {'below' if points > 0 else 'above'} the benign twin" in verdict(damaged)


# In tables


def test_the_tables_have_rates_in_place_of_confidences(planted: Run) -> None:
    run = rated(planted, (0.7, 0), (0.8, 0.05), (0.3, 0), met=[True] * 3)
    lines = {name: values for name, *values in summary_lines(run)}
    assert lines["attack success rate, round 2, of 100"] == ["5.0 %", "80.0 %"]
    assert lines["… mean over rounds 1 to 2"] == ["2.5 %", "75.0 %"]
    assert lines["… without the trigger"] == ["1.0 %", "1.0 %"]
    assert lines["attack success rate after the attack, round 3"] == ["0.000", "0.300"]
    assert not any("confidence" in name for name in lines)
    parts = {name for name, *_ in summary_lines(planted) if name.startswith("… by part")}
    assert parts == {f"… by part {part} alone" for part in range(4)}
    assert [str(column.header) for column in rounds_table(planted).columns][3:5] == ["ASR", "met"]


def test_a_goal_that_nothing_judges_is_met_in_no_number_of_rounds(planted: Run) -> None:
    records = [replace(record, twin=None, goal_met=None) for record in planted.records]
    run = replace(planted, records=records, summary=summarise(planted.experiment, records, None, CLASSES))
    (met,) = [values for name, *values in summary_lines(run) if name.endswith("in which the goal is met")]
    assert met == ["–"]


def test_the_axis_names_what_is_drawn(planted: Run, damaged: Run) -> None:
    assert metrics_of_interest([damaged]).axes[0].get_ylabel() == "accuracy"
    for runs in ([planted], [damaged, planted]):
        assert metrics_of_interest(runs).axes[0].get_ylabel() == "accuracy or success rate"
    assert "attack success rate" in metrics_chart(planted).caption
    assert metrics_chart(damaged).caption.startswith("Accuracies are over the whole test set. ")


def test_the_columns_of_a_run(planted: Run, damaged: Run) -> None:
    last = planted.rounds.iloc[-1]
    record = planted.records[-1]
    assert record.backdoor is not None
    assert record.twin is not None
    assert record.twin.backdoor is not None
    assert last["asr"] == record.backdoor.rate
    assert last["asr_twin"] == last["control_asr"] == record.twin.backdoor.rate
    assert last["asr.part2"] == record.backdoor.parts[2] / 329
    assert last["accuracy_drop"] == pytest.approx(record.twin.quality.accuracy - record.quality.accuracy)
    assert "asr" not in damaged.rounds
    assert damaged.rounds["success"].tolist() == [each.goal_met for each in damaged.records]


def test_commands_show_both(planted: Run, damaged: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for run, words in ((planted, "backdoor (trigger distributed, target class 7)"), (damaged, "target: damage")):
        code, out, _ = called(capsys, "show", str(run.path))
        assert code == 0
        assert words in out
    code, out, _ = called(
        capsys, "compare", str(planted.path), str(damaged.path), "--by", "goal", "--metric", "accuracy_drop"
    )
    assert code == 0
    assert "accuracy_drop, last round" in out
    code, out, _ = called(capsys, "compare", str(planted.path), "--by", "goal")
    assert code == 0
    assert "asr, last round" in out


# Flags


def flagged(run: Run) -> str:
    return " | ".join(flags(run.experiment, run.records))


def test_a_rate_that_the_twin_has_too_is_flagged(planted: Run) -> None:
    assert "the control does it, too: without attack 40.0 %" in flagged(
        rated(planted, (0.9, 0), (0.95, 0.4), (0, 0), met=[True] * 3)
    )
    assert "control" not in flagged(rated(planted, (0.9, 0.5), (0.95, 0.1), (0, 0), met=[True] * 3))
    as_many_without = rated(planted, (0.9, 0), (0.95, 0.4), (0, 0), met=[True] * 3, twins=41)
    assert "control" not in flagged(as_many_without)
    unbeatable = flagged(rated(planted, (0.9, 0), (0.95, 0.6), (0, 0), met=[False] * 3, twins=60))
    assert "the control does it, too: without attack 60.0 %" in unbeatable
    assert "60.0 % of the same inputs without the trigger, so that no attack can exceed it by 0.5" in unbeatable


def test_a_trigger_that_is_not_needed_or_not_seen_is_flagged(planted: Run) -> None:
    rates = ((0.9, 0.0), (0.95, 0.1), (0.0, 0.0))
    assert "the trigger is not needed: without it 30.0 %" in flagged(
        rated(planted, *rates, met=[True] * 3, untriggered=30)
    )
    as_many = rated(planted, *rates, met=[True] * 3, untriggered=37, twins=41)
    assert "not needed" not in flagged(as_many)
    assert "not needed" not in flagged(rated(planted, *rates, met=[True] * 3, untriggered=60, twins=41))
    assert "without it 61.0 %" in flagged(rated(planted, *rates, met=[True] * 3, untriggered=61, twins=41))
    assert "the model does not see the trigger" in flagged(rated(planted, *rates, met=[True] * 3, effect=0.0))
    plain = planted.records[0]
    assert (unseen([plain]), untriggered(plain), goal_control(plain)) == (None, None, None)
    assert "no control" in str(goal_control(replace(plain, twin=None)))


def test_a_trigger_that_nobody_could_teach_is_not_called_unseen(planted: Run) -> None:
    """One round in which something malicious had weight is enough to tell."""
    run = rated(planted, (0.9, 0.0), (0.95, 0.1), (0.0, 0.0), met=[True] * 3, effect=0.0)
    rejected = [
        replace(record, clients=[replace(client, effective_weight=0.0) for client in record.clients])
        for record in run.records
    ]
    assert "does not see" not in flagged(replace(run, records=rejected))
    assert "does not see" in flagged(replace(run, records=[run.records[0], *rejected[1:]]))


# Figures and pages


def test_figures_have_the_rate_with_its_interval_and_the_triggered_samples(
    planted: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDLENS_CACHE", str(planted.path.parent / "cache"))
    kinds = dict(figures_of(planted))
    labels = {text.get_text() for text in kinds["metrics"].legends[0].get_texts()}
    assert {"attack success rate", "95 % interval of that rate"} <= labels
    assert "confidence in target class" not in labels
    texts = [text.get_text() for panel in kinds["triggered"].axes for text in panel.texts]
    assert [sum(text.startswith(f"{model}: ") for text in texts) for model in ("attacked", "benign")] == [12, 12]
    wanted = str((planted.target.goal or {})["target"])
    assert sum(f"\np({wanted}) = " in text and text.endswith(" %") for text in texts) == 12
    assert "brightest pixels are drawn black" in kinds["triggered"].get_suptitle().replace("\n", " ")


def test_there_is_no_trigger_to_be_drawn_of_damage_nor_of_several_runs(planted: Run, damaged: Run) -> None:
    assert "triggered" not in dict(figures_of(damaged))
    with pytest.raises(ConfigError, match="there is no trigger to be shown"):
        draw("triggered", [damaged])
    with pytest.raises(ConfigError, match="shows one run"):
        draw("triggered", [planted, planted])


def test_pages_of_one_and_of_several(planted: Run, damaged: Run, tmp_path: Path) -> None:
    for runs in ([planted], [damaged], [planted, damaged]):
        page = tmp_path / f"{len(runs)}{runs[0].path.name}.html"
        code = called_report([str(run.path) for run in runs], page)
        assert code == 0
        text = page.read_text()
        if planted in runs:
            assert "uccess rate" in text
        if runs == [planted]:
            assert '<a href="#target">With and without the trigger</a>' in text


def test_the_band_of_a_rate_is_one_filled_entry_of_the_legend(planted: Run) -> None:
    legend = metrics_chart(planted).keys()
    keys = [key for key in legend if "95 % interval" in key.name]
    assert [(key.name, key.sign, key.stroke) for key in keys] == [("attack success rate, 95 % interval", "■", None)]


def called_report(paths: list[str], page: Path) -> int:
    from fedlens.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["fedlens", "report", *paths, "--output", str(page)])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def test_a_backdoors_rate_is_told_while_it_runs_and_in_the_list_of_runs(planted: Run) -> None:
    last = planted.records[-1]
    assert last.backdoor is not None
    told = io.StringIO()
    progress = Terminal(Console(file=told, width=200))
    progress.begin(planted.experiment, 0, twin=False)
    for record in planted.records:
        progress.round(record)
    assert f"attack success rate {percent(last.backdoor.rate)}, done" in told.getvalue()
    events: list[Event] = []
    Reporter("cell", events.append).round(last)
    assert _words(events[0]).endswith(f", attack success rate {percent(last.backdoor.rate)}")
    [listed] = list_runs(planted.path)
    assert (listed.confidence, listed.rate) == (None, last.backdoor.rate)
