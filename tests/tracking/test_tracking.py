"""Tracking: what is told, to real MLflow and TensorBoard files, and that nothing there stops or slows a run."""

import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedlens import Experiment, run
from fedlens.core.errors import ConfigError
from fedlens.experiment.flat import Value
from fedlens.simulation.callback import Callback
from fedlens.tracking import observer as tracking_observer
from fedlens.tracking.observer import Tracking
from fedlens.tracking.parse import parse_tracker
from fedlens.tracking.tracker import Tracker, metrics_of

EXPERIMENT = Experiment(
    data="digits", model="census-mlp", clients=4, rounds=2, name="small", control=False, checks=("statistics",),
    attack={"name": "explicit-boosting", "epochs": 1},
)  # fmt: skip


class Told(Callback):
    """Remembers remarks."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


class Notes:
    """A tracker that writes down what it is told, and in which thread."""

    def __init__(self) -> None:
        self.news: list[tuple[Any, ...]] = []
        self.threads: set[int] = set()

    def _note(self, *news: Any) -> None:
        self.news.append(news)
        self.threads.add(threading.get_ident())

    def begin(self, name: str, options: Mapping[str, Value]) -> None:
        self._note("begin", name, options["attack"])

    def round(self, number: int, metrics: Mapping[str, float]) -> None:
        self._note("round", number, dict(metrics))

    def finish(self, files: list[Path]) -> None:
        self._note("finish", files)


class Broken(Notes):
    """A tracker whose server is dead."""

    def round(self, number: int, metrics: Mapping[str, float]) -> None:
        super().round(number, metrics)
        raise ConnectionError("nobody there\nand more")


class Stuck(Notes):
    """A tracker whose server does not answer."""

    def begin(self, name: str, options: Mapping[str, Value]) -> None:
        time.sleep(60)


def tracked(path: Path, *trackers: Tracker) -> tuple[Any, Told]:
    told = Told()
    tracking = Tracking(told, [(f"tracker {place}", tracker) for place, tracker in enumerate(trackers)], "small")
    result = run(EXPERIMENT, path, engine="serial", observer=tracking)
    tracking.finish([path / "target.json"])
    return result, told


def test_a_tracker_is_told_of_every_round_in_a_thread_of_its_own(tmp_path: Path) -> None:
    notes = Notes()
    result, told = tracked(tmp_path / "run", notes)
    metrics = [metrics_of(record) for record in result.records]
    rounds = [("round", 1, metrics[0]), ("round", 2, metrics[1])]
    end = ("finish", [tmp_path / "run" / "target.json"])
    assert notes.news == [("begin", "small", "explicit-boosting"), *rounds, end]
    assert notes.threads.isdisjoint({threading.get_ident()})
    assert told.remarks == []


def test_the_numbers_of_a_round(tmp_path: Path) -> None:
    result, _ = tracked(tmp_path / "run")
    record = result.records[1]
    found = metrics_of(record)
    assert found["accuracy"] == record.quality.accuracy
    assert found["malicious/accuracy"] == record.malicious.model.accuracy
    assert found["target/confidence"] == record.target.confidence[0]
    assert found["checks/statistics/flagged"] == sum(client.checks["statistics"].flagged for client in record.seen)
    assert metrics_of(replace(record, twin=record))["control/loss"] == record.quality.loss
    assert metrics_of(replace(record, placebo=record))["placebo/accuracy"] == record.quality.accuracy


def test_a_dead_tracker_is_reported_once_and_the_others_go_on(tmp_path: Path) -> None:
    broken, notes = Broken(), Notes()
    result, told = tracked(tmp_path / "run", broken, notes)
    assert result.summary is not None
    assert told.remarks == ["--track tracker 0: failed (ConnectionError: nobody there); the run goes on"]
    assert [news[0] for news in broken.news] == ["begin", "round"]
    assert [news[0] for news in notes.news] == ["begin", "round", "round", "finish"]


def test_a_tracker_that_does_not_answer_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_observer, "PATIENCE", 0.2)
    result, told = tracked(tmp_path / "run", Stuck())
    assert result.summary is not None
    assert told.remarks == ["--track tracker 0: no answer within 0 s; what it does not have is in the run"]


def test_mlflow_gets_parameters_metrics_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = f"file://{tmp_path / 'mlruns'}"
    result, told = tracked(tmp_path / "run", parse_tracker(f"mlflow:{uri}"))
    assert told.remarks == []
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("fedlens")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "small"
    assert found.info.status == "FINISHED"
    assert found.data.params["attack"] == "explicit-boosting"
    assert found.data.params["clients"] == "4"
    history = client.get_metric_history(found.info.run_id, "target/confidence")
    assert [(point.step, point.value) for point in history] == [
        (record.round, pytest.approx(record.target.confidence[0])) for record in result.records
    ]
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["target.json"]


def test_mlflow_is_told_to_be_quiet_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    name = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"
    for said, found in ((None, "true"), ("false", "false")):
        with monkeypatch.context() as patch:
            patch.setenv(name, said or "")  # so that it is as before afterwards
            if said is None:
                patch.delenv(name)
            parse_tracker("mlflow:http://127.0.0.1:1")
            assert os.environ[name] == found


def test_a_dead_mlflow_server_does_not_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    result, told = tracked(tmp_path / "run", parse_tracker("mlflow:http://127.0.0.1:9"))
    assert result.summary is not None
    assert len(told.remarks) == 1
    assert told.remarks[0].startswith("--track tracker 0: failed (MlflowException:")


def test_tensorboard_gets_scalars_options_and_figures(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from matplotlib.figure import Figure
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    told = Told()
    tracking = Tracking(told, [("it", parse_tracker(f"tensorboard:{tmp_path / 'events'}"))], "small")
    result = run(EXPERIMENT, tmp_path / "run", engine="serial", observer=tracking)
    Figure(figsize=(1, 1)).savefig(tmp_path / "metrics.png")
    tracking.finish([tmp_path / "metrics.png"])
    assert told.remarks == []
    events = EventAccumulator(str(tmp_path / "events" / "small")).Reload()
    assert [(point.step, pytest.approx(point.value)) for point in events.Scalars("accuracy")] == [
        (record.round, record.quality.accuracy) for record in result.records
    ]
    assert events.Tags()["images"] == ["figures/metrics"]
    assert events.Tags()["tensors"] == ["experiment/text_summary"]
    (file,) = (tmp_path / "events" / "small").iterdir()
    assert ".fedlens." in file.name
    assert socket.gethostname() not in file.name


@pytest.mark.parametrize("word", ["wandb", "tensorboard", "tensorboard:", ""])
def test_another_tracker_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="expected mlflow, mlflow:URI or tensorboard:DIR"):
        parse_tracker(word)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fedlens.tracking.mlflow", None)
    with pytest.raises(ConfigError, match=r"pip install 'fedlens\[tracking\]'"):
        parse_tracker("mlflow")
