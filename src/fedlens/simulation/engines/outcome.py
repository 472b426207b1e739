"""The outcome of a job in a worker: its numbers, or a failure, since an exception's trace cannot be pickled."""

import traceback
from dataclasses import dataclass
from typing import Any

from fedlens.core.errors import ClientError
from fedlens.simulation.engines.context import Job, WorkerContext, perform


@dataclass(frozen=True)
class Failure:
    """A failed job's error.

    Attributes:
        message: the error's message.
        trace: its trace.
    """

    message: str
    trace: str

    def error(self) -> ClientError:
        """Return the error, with its trace as a note."""
        error = ClientError(self.message)
        error.add_note(self.trace)
        return error


def attempt(job: Job, context: WorkerContext) -> dict[str, Any] | Failure:
    """Run `job`; return its numbers, or the failure."""
    try:
        return perform(job, context)
    except ClientError as error:
        return Failure(str(error), traceback.format_exc())
