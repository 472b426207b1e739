"""The attacker's samples: as pictures, or as records in words."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from torch import Tensor

from fedlens.analysis.run_results import Run
from fedlens.data.columns import Columns
from fedlens.explanations.triggered_samples import TriggeredSample
from fedlens.report.html.table import Table
from fedlens.report.images import pixels_of
from fedlens.runs.record import class_name

SHOWN = 12
"""So many of the attacker's samples are shown."""


@dataclass(frozen=True)
class Shown:
    """One of the attacker's samples.

    Attributes:
        index: in the test set.
        true: its class.
        target: the class that the attacker wants.
        predicted: what the global model takes it for after the last round.
        confidence: of that model in the target class.
        twin_predicted: what the benign twin takes it for, if there is one.
        absent_predicted: what the model takes it for where the malicious client is absent, if that was run.
        picture: a PNG as a ``data:`` address, of an image whose data is at hand.
        record: what it says of each feature, if it is no image.
        clean: of a sample that is shown with the trigger, a picture of it without.
        clean_predicted: what the global model takes it for without the trigger.
    """

    index: int
    true: str
    target: str
    predicted: str
    confidence: float
    twin_predicted: str | None
    absent_predicted: str | None
    picture: str | None
    record: Table | None
    clean: str | None = None
    clean_predicted: str | None = None


def shown_samples(run: Run, inputs: Tensor | None, columns: Columns | None) -> list[Shown]:
    """Show the first of the attacker's samples; `inputs` (``[r, ...]``) are what the model sees, if at hand.

    Of records, `columns` says what they are.
    """
    last, classes = run.records[-1], run.target.classes
    samples = []
    for sample_index, index in enumerate(run.target.index[:SHOWN]):
        model_input = None if inputs is None else inputs[sample_index].cpu()
        target = last.outcome
        twin, absent = (side and side.target for side in (last.twin, last.placebo))
        samples.append(
            Shown(
                index,
                classes[run.target.true[sample_index]],
                classes[run.target.target[sample_index]],
                class_name(classes, target.predicted[sample_index]),
                target.confidence[sample_index],
                class_name(classes, twin.predicted[sample_index]) if twin else None,
                class_name(classes, absent.predicted[sample_index]) if absent else None,
                None if model_input is None or model_input.dim() != 3 else as_png(model_input),
                None if model_input is None else _record(columns, index, model_input),
            )
        )
    return samples


def shown_triggered(samples: Sequence[TriggeredSample], columns: Columns | None) -> list[Shown]:
    """Show samples with the trigger, beside what they are without; of records, `columns` says what they are."""
    shown = []
    for sample in samples:
        clean, triggered = sample.clean.cpu(), sample.triggered.cpu()
        attacked = sample.answers.get("attacked") or sample.answers["global"]
        benign = sample.answers.get("benign")
        image = clean.dim() == 3
        shown.append(
            Shown(
                sample.index,
                sample.true,
                sample.wanted,
                attacked.triggered,
                attacked.confidence,
                benign.triggered if benign else None,
                None,
                as_png(triggered) if image else None,
                _record(columns, sample.index, triggered),
                as_png(clean) if image else None,
                attacked.clean,
            )
        )
    return shown


def as_png(image: Tensor) -> str:
    """Encode an image (``[channels, height, width]``) as a ``data:`` address; grey is dark on white, as elsewhere."""
    from matplotlib.image import imsave

    buffer = BytesIO()
    imsave(buffer, pixels_of(image), format="png", cmap="gray_r", vmin=0, vmax=1)
    return data_address(buffer.getvalue())


def data_address(png: bytes) -> str:
    """Encode a PNG as a ``data:`` address."""
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _record(columns: Columns | None, index: int, record: Tensor) -> Table | None:
    words = columns.words(record.clone()) if columns is not None and record.dim() == 1 else {}
    return Table(f"Record {index}", ["feature", "value"], list(words.items()), words=2) if words else None
