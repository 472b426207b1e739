"""What a worker sends back: a job's numbers, or why it failed, as an exception's trace does not travel."""

import traceback
from dataclasses import dataclass
from typing import Any

from fedlens.core.errors import ClientError
from fedlens.simulation.engines.context import Job, WorkerContext, perform


@dataclass(frozen=True)
class Failure:
    """What a worker sends back in place of a result.

    Attributes:
        message: what the error says.
        trace: where it happened.
    """

    message: str
    trace: str

    def error(self) -> ClientError:
        """The error, with its trace as a note."""
        error = ClientError(self.message)
        error.add_note(self.trace)
        return error


def attempt(job: Job, context: WorkerContext) -> dict[str, Any] | Failure:
    """Run `job`, and catch what goes wrong."""
    try:
        return perform(job, context)
    except ClientError as error:
        return Failure(str(error), traceback.format_exc())
