"""A run's directory while it is being written.

===========================  ======================================================================
experiment.yaml              the complete experiment; ``fedlens run`` on it makes the run again
start.json                   an id, which tells whose run it is, and notes on the user's own classes
digests.json                 of data, shards, first weights and the user's code, to compare on resuming
environment.jsonl            a line per start: versions, platform, commit, engine and the reason for it
target.json                  the attacker's samples
controls.json                only with controls: keys and paths, in the cache, of the benign twin and the placebo
rounds.jsonl                 a line per round, equal in every byte whenever the experiment is repeated
timings.jsonl                a line per round: seconds of each stage
checks/                      tables that are too large for a record, such as histograms, a file per round
error.txt                    the trace of the last failure of a client, if any
checkpoint.safetensors       the state after the last round, for ``--resume``
state/                       what stages of the server keep of each client; the checkpoint says which files
best, final.safetensors      the global weights of highest test accuracy, or least error, and the last
weights/                     only with ``--keep-weights``: the global weights, a file per round
predictions/                 only without attack: log-probabilities on the test set, a file per round
unjudged.json                why an experiment of a sweep cannot be judged, and what to do
summary.json                 written last: the result in a few numbers, and every file's checksum
cut/                         records beyond the checkpoint of a resumed run
===========================  ======================================================================

After each round the record is appended first and the checkpoint replaced second, so that the records always reach at
least as far as the checkpoint. Resuming cuts them back to it and continues.
"""

import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import join
from typing import Any, Self

from safetensors.torch import save
from torch import Tensor

from fedlens.core.documents import dumps
from fedlens.core.errors import ClientError, DamagedRunError, RunError, shortened
from fedlens.core.files import append_bytes, checksum, lock, resuming, write_atomically, writing
from fedlens.core.parsing import dump_yaml
from fedlens.core.private_paths import without_folders
from fedlens.core.regular import regular
from fedlens.core.suggest import another
from fedlens.experiment.experiment import Experiment
from fedlens.runs.client_rows import ClientRows, load_rows
from fedlens.runs.controls import CONTROLS, content_of
from fedlens.runs.cutting import cut_lines, leftovers, put_aside
from fedlens.runs.loading import load_recorded
from fedlens.runs.metadata import StartRecord, TargetRecord, TimingRecord
from fedlens.runs.ownership import claim, is_ours
from fedlens.runs.parse_records import parsed_round
from fedlens.runs.reading import (
    DIGESTS,
    count_rounds,
    load_predictions,
    predictions_file,
    read_json,
    read_rounds,
    read_starts,
    read_target,
    tables_file,
)
from fedlens.runs.record import RoundRecord
from fedlens.runs.record_values import destroyed
from fedlens.runs.round_result import RoundResult
from fedlens.runs.run_summary import Summary
from fedlens.runs.start import START, Start
from fedlens.runs.state import Checkpoint, FederationState, read_checkpoint
from fedlens.runs.unjudged import FILE as UNJUDGED
from fedlens.runs.vouched import RECORDS, Vouched, require_as_written
from fedlens.runs.weights import cut_weights, keeps_weights, require_weights, round_of, weights_file

BEST = "best.safetensors"
BEGUN_WITH = {
    "data": "the data are not those that this run was begun with: a file has changed, or they are drawn anew each time",
    "shards": "the partition assigns samples differently than when the run began",
    "weights": "the model does not begin with the weights that this run was begun with",
}


class RunDirectory:
    """A run directory that a single process writes."""

    def __init__(self, path: Path, *, keep_predictions: bool = False, keep_weights: bool = False) -> None:
        self.path = path
        self.keep_predictions = keep_predictions
        self.keep_weights = keep_weights
        self._best: float | None = None
        self._sizes: dict[Path, int] = {}
        self._vouched = Vouched(path)
        self._rows = ClientRows(path, self._vouched)
        self._made = self._begun = self._abandoned = False

    def __enter__(self) -> Self:
        """Create and lock the directory.

        Raises:
            RunError: it cannot be written, or another process writes into it.
        """
        self._made = not self.path.exists()
        self._lock = lock(self.path, "run")
        return self

    def __exit__(self, *_: object) -> None:
        """Unlock the directory; remove it if the run was abandoned."""
        self._lock.release()
        if self._abandoned:
            (self.path / ".lock").unlink(missing_ok=True)
            if self._made:
                with suppress(OSError):  # somebody put a file there
                    self.path.rmdir()

    def abandon(self) -> None:
        """Remove what `begin` wrote of a new run that is refused before its first round."""
        if self._begun:
            for name in ("experiment.yaml", START, DIGESTS):
                (self.path / name).unlink(missing_ok=True)
            with suppress(OSError):  # no such folder, or not empty
                (self.path / "weights").rmdir()
            self._abandoned = True

    def begin(self, experiment: Experiment, *, resume: bool, start: Start | None = None) -> None:
        """Write down the experiment and `start`, unless the run is resumed or has rounds already.

        A run that was begun with ``keep_weights`` continues to keep them.

        Raises:
            RunError: the directory holds another experiment, or rounds whose weights were not kept but should be.
        """
        file = self.path / "experiment.yaml"
        begun = file.exists() and (resume or count_rounds(self.path) > 0)
        if begun:
            different = differences(load_recorded(self.path, like=experiment).relevant(), experiment.relevant())
            if different:
                raise RunError(
                    f"{self.path}: this run was another experiment; it differs in {'; '.join(different)}; "
                    f"go on with it: fedlens run --resume --out {self.path}, "
                    f"or begin another: --out {another(self.path)}"
                )
        self._begun = not begun
        self._begin_weights()  # before there is a run to resume, so that it remembers to keep them
        if not begun:
            text = described(experiment)
            if start is not None:  # controls have none: they are in the user's own cache
                self.note(START, start.content())
                claim(self.path, text)
            write_atomically(file, text)
        elif start is not None and not is_ours(file):  # whoever resumes a run takes it over
            if not (self.path / START).exists():
                self.note(START, start.content())
            claim(self.path, regular(file).read_bytes())

    def _begin_weights(self) -> None:
        if self.keep_weights and not keeps_weights(self.path):
            if (self.path / "checkpoint.safetensors").exists():
                raise RunError(
                    f"{self.path}: this run was begun without --keep-weights, and the weights of its rounds are gone; "
                    "leave out --keep-weights, or start anew with it and another --out: "
                    f"fedlens run {self.path} --keep-weights --out {another(self.path)}"
                )
            with writing(self.path):
                (self.path / "weights").mkdir()
        self.keep_weights = keeps_weights(self.path)

    def compare(self, digests: dict[str, str]) -> str | None:
        """Write the digests of a new run, or compare them with those of its rounds.

        Args:
            digests: of `fedlens.experiment.setting.Setting.digests`, and of the user's ``code``.

        Returns:
            A remark if they cannot be compared, or code has changed.

        Raises:
            RunError: data, shards or first weights differ.
        """
        file, played = self.path / DIGESTS, (self.path / "checkpoint.safetensors").exists()
        before, remark = read_json(file) if file.exists() and played else {}, None
        for name, message in BEGUN_WITH.items():
            if before and before.get(name) != digests[name]:
                remedy = f"resume with what it was begun with, or remove {self.path} to make it anew"
                raise RunError(f"{self.path}: {message}; {remedy}")
        if played and not before:
            remark = "begun by an earlier version, which did not note the data, so they cannot be compared"
        elif before and before.get("code") != digests["code"]:
            remark = "your code has changed since the rounds there were played"
        if before != digests:
            self.note(file.name, digests)
        return f"{self.path}: {remark}" if remark else None

    def note(self, name: str, content: dict[str, Any]) -> None:
        """Write `content` to the JSON file `name`."""
        write_atomically(self.path / name, indented(content))

    @property
    def _anew(self) -> str:
        return f"make the run anew: {join(['fedlens', 'run', str(self.path), '--out', str(another(self.path))])}"

    def note_target(self, target: TargetRecord) -> str | None:
        """Write the target samples; return a remark if rounds were recorded and the file was missing.

        Raises:
            RunError: earlier rounds had others, e.g. since a benign twin under other versions chose them.
        """
        file, begun = self.path / "target.json", bool(count_rounds(self.path))
        missing = begun and not file.exists()
        if begun and not missing:
            before = read_target(self.path)
            if before != target:
                raise RunError(
                    f"{file}: the rounds there had test samples {before.index} as targets, now they would be "
                    f"{target.index}; resume where the run began, with its versions and data, or {self._anew}"
                )
        (self.path / UNJUDGED).unlink(missing_ok=True)
        self.note("target.json", target.plain())
        return f"{file}: was missing; written again" if missing else None

    def note_controls(self, keys: Mapping[str, str]) -> None:
        """Write down which controls the run is compared with, by their names in records; nothing if there are none."""
        if keys:
            self.note(CONTROLS, content_of(keys))

    def started(self, start: StartRecord) -> str | None:
        """Add a line about this start; return a remark if bits may differ from those of the start before."""
        before = read_starts(self.path)
        append_bytes(self.path / "environment.jsonl", line(start.plain()))
        if not before or not (changed := differences(before[-1].numerics, start.numerics)):
            return None
        return f"resumed elsewhere, so bits may differ from an uninterrupted run: {'; '.join(changed)}"

    def failed(self, error: ClientError) -> None:
        """Write the trace of a client's failure, and add its path to the error."""
        trace = self.path / "error.txt"
        text = without_folders("".join(traceback.format_exception(error)))
        write_atomically(trace, text.encode(errors="replace"))
        what = resuming()
        error.add_note(f"The trace is in {trace}. {what[0].upper()}{what[1:]}.")

    def resume(
        self, experiment: Experiment, begin: Callable[[], Tensor] | None = None
    ) -> tuple[FederationState | None, list[RoundRecord]]:
        """Return the state to continue from (``None`` for the beginning) and the records up to there.

        Everything is checked before anything is changed. Rounds beyond the checkpoint are repeated; their records and
        weights move to the folder ``cut``.

        Args:
            experiment: what is run.
            begin: returns the model's first weights, shape ``[d]``; without it, the weights are not compared with the
                model.

        Raises:
            DamagedRunError: the checkpoint, or a file up to there that it vouches for, is missing or damaged.
        """
        checkpoint, state = self.path / "checkpoint.safetensors", None
        found = read_checkpoint(str(checkpoint), experiment.malicious) if checkpoint.exists() else None
        if found is not None:
            state = replace(found.state, stages=load_rows(self.path, found.state.stages, found.rows))
        rounds = state.round if state is not None else 0
        records = read_rounds(self.path, experiment.malicious, rounds)
        if [record.round for record in records] != list(range(1, rounds + 1)):
            raise DamagedRunError(f"{self.path / 'rounds.jsonl'}: rounds 1 to {rounds} are not all there; {self._anew}")
        if state is not None and begin is not None:
            fault = state.misfit(begin(), finite=destroyed(records) is None)
            if fault is not None:
                raise DamagedRunError(f"{checkpoint}: does not fit ({fault}); {self._anew}")
        if self.keep_predictions:
            for round_ in range(1, rounds + 1):
                load_predictions(self.path, round_)
        if self.keep_weights:
            require_weights(self.path, rounds)
        sums = {} if found is None else self._relied_on(found)
        require_as_written(self.path, sums, rounds)
        self._cut_back(rounds)
        self._vouched.resume(sums)
        self._rows.resume({} if state is None else state.stages, {} if found is None else found.rows)
        self._best = max((record.quality.score for record in records), default=None)
        return state, records

    def _relied_on(self, found: Checkpoint) -> dict[str, int]:
        """Return a checkpoint's sums of the files that are needed.

        Left out are the best weights if they are of a round that is repeated, and a folder of weights or predictions
        that the run no longer keeps.
        """
        best, given_up = self.path / BEST, set[str]()
        if BEST in found.sums and best.exists() and round_of(best) > found.state.round:
            given_up.add(BEST)
        for folder, keeps in (("weights", self.keep_weights), ("predictions", self.keep_predictions)):
            given_up |= set() if keeps else {folder}
        return {name: value for name, value in found.sums.items() if name.partition("/")[0] not in given_up}

    def _cut_back(self, rounds: int) -> None:
        """Cut files back to the first `rounds`; the rest moves to ``cut``."""
        for leftover in leftovers(self.path):
            leftover.unlink()
        summary = self.path / "summary.json"
        if not rounds and summary.exists():  # a run without its weights is repeated from the start
            put_aside(self.path, summary)
        for name, lines in (("rounds.jsonl", rounds), ("timings.jsonl", rounds), ("environment.jsonl", None)):
            cut_lines(self.path, name, lines)
        if self.keep_weights:
            cut_weights(self.path, rounds)

    def append(self, result: RoundResult) -> RoundRecord:
        """Record a round; return the record as `read_rounds` will give it.

        Raises:
            RunError: the disk is full, or the directory cannot be written any more.
        """
        if self.keep_predictions:
            folder = self.path / "predictions"
            with writing(folder):
                folder.mkdir(exist_ok=True)
            predictions = save({"log_probabilities": result.log_probabilities.cpu()})
            self._vouched.write(predictions_file(self.path, result.state.round), predictions)
        if result.tables:
            folder = self.path / "checks"
            with writing(folder):
                folder.mkdir(exist_ok=True)
            tables = {name: table.cpu().contiguous() for name, table in result.tables.items()}
            self._vouched.write(tables_file(self.path, result.state.round), save(tables))
        if self.keep_weights:
            self._vouched.write(weights_file(self.path, result.state.round), _weights(result.state))
        written = line(result.record.plain())
        self._append("timings.jsonl", line(TimingRecord(result.state.round, **result.seconds).plain()))
        self._append(RECORDS, written)
        self._vouched.extend(RECORDS, written)
        score = result.record.quality.score
        if self._best is None or score > self._best:
            self._best = score
            self._vouched.write(self.path / BEST, _weights(result.state))
        rows = self._rows.write(result.state.stages, result.state.round)
        write_atomically(self.path / "checkpoint.safetensors", result.state.to_bytes(rows, self._vouched.sums))
        self._rows.sweep()
        return parsed_round(written)

    def _append(self, name: str, content: bytes) -> None:
        file = self.path / name
        self._require_untouched(file)
        append_bytes(file, content)
        self._sizes[file] = file.stat().st_size

    def _require_untouched(self, file: Path) -> None:
        """Check that nobody else has changed or removed a file of records.

        Raises:
            RunError: somebody has.
        """
        size = file.stat().st_size if file.exists() else 0
        if size != self._sizes.setdefault(file, size):
            change = "has been changed" if file.exists() else "has been removed"
            raise RunError(f"{file}: {change} while the run was going on; start it anew, with another --out")

    def _written(self, rounds: int) -> list[Path]:
        """Return the files that a run of this many rounds must have."""
        names = ["experiment.yaml", "rounds.jsonl", "timings.jsonl", "environment.jsonl"]
        names += ["checkpoint.safetensors", "best.safetensors"]
        files = [self.path / name for name in (names if self.keep_predictions else [*names, "target.json"])]
        for keep, file_of in ((self.keep_predictions, predictions_file), (self.keep_weights, weights_file)):
            files += [file_of(self.path, round_) for round_ in range(1, rounds + 1)] if keep else []
        return files

    def restored(self, state: FederationState) -> str | None:
        """Return a remark if the run was complete, and its final weights are missing or not those of its last state."""
        file = self.path / "final.safetensors"
        if not (self.path / "summary.json").exists():
            return None
        if not file.exists():
            return f"{file}: was missing; written again from the checkpoint"
        changed = regular(file).read_bytes() != _weights(state)
        return f"{file}: was damaged; written again from the checkpoint" if changed else None

    def finish(self, state: FederationState, summary: Summary) -> Summary:
        """Write the final weights and the summary; with it the run is complete.

        Returns:
            The summary as written, with every file's checksum.

        Raises:
            RunError: a file has been removed or changed since it was written.
        """
        for file in self._sizes:
            self._require_untouched(file)
        if missing := [file for file in self._written(state.round) if not file.exists()]:
            raise RunError(f"{missing[0]}: has been removed while the run was going on; start it anew")
        write_atomically(self.path / "final.safetensors", _weights(state))
        files = sorted(file for file in self.path.rglob("[!.]*") if file.is_file())
        sums = {str(file.relative_to(self.path)): checksum(file) for file in files if file.name != "summary.json"}
        summary = summary.with_checksums(sums)
        self.note("summary.json", summary.plain())
        return summary


def _weights(state: FederationState) -> bytes:
    """Return the content of a file with the global weights after a round."""
    return save({"weights": state.weights.cpu()}, metadata={"round": str(state.round)})


def described(experiment: Experiment) -> bytes:
    """Return the content of a YAML file with the complete experiment."""
    return dump_yaml(experiment.describe()).encode()


def indented(content: dict[str, Any]) -> bytes:
    """Return the content of an indented JSON file."""
    return dumps(content, indent=2).encode() + b"\n"


def line(content: dict[str, Any]) -> bytes:
    """Return a line of a file of JSON lines."""
    return dumps(content).encode() + b"\n"


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """List the options in which two descriptions differ, as ``option: old, now new``."""
    changes = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changes += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            changes.append(f"{prefix}{key}: {shortened(before)}, now {shortened(after)}")
    return changes
