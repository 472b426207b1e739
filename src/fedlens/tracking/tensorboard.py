"""Runs as TensorBoard event files: a scalar for each curve, the options as text, figures as images.

TensorBoard names an event file after the host that writes it. Here it is ``fedlens`` instead, as nothing that a run
leaves says where it was made.
"""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from matplotlib.image import imread
from tensorboard.summary.writer import event_file_writer  # type: ignore[import-untyped]
from torch.utils.tensorboard import SummaryWriter
from typing_extensions import override

from fedlens.experiment.flat import Value, shown
from fedlens.tracking.tracker import Tracker


class TensorboardTracker(Tracker):
    """A tracker that writes event files into a folder below `folder`, named as the run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None

    @override
    def begin(self, name: str, options: Mapping[str, Value]) -> None:
        self._writer = _writer(self._folder / name)
        rows = [f"| {option} | {shown(value).replace('|', '∣')} |" for option, value in options.items()]
        table = "\n".join(["| option | value |", "|---|---|", *rows])
        self._writer.add_text("experiment", table)

    @override
    def round(self, number: int, metrics: Mapping[str, float]) -> None:
        assert self._writer is not None
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, number)
        self._writer.flush()

    @override
    def finish(self, files: list[Path]) -> None:
        if self._writer is None:  # the run was complete already
            return
        for file in files:
            if file.suffix == ".png":
                pixels = np.asarray(imread(file))[..., :3]
                self._writer.add_image(f"figures/{file.stem}", pixels, dataformats="HWC")
        self._writer.close()


def _writer(folder: Path) -> SummaryWriter:
    """Open an event file in `folder`, without the host's name in its own, which TensorBoard gives no way to choose."""
    module: Any = event_file_writer
    socket, module.socket = module.socket, SimpleNamespace(gethostname=lambda: "fedlens")
    try:
        return SummaryWriter(str(folder))
    finally:
        module.socket = socket
