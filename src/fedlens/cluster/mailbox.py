"""What cells on other machines tell while they are at work: a queue of Ray's, on the machine of the sweep.

It only serves those who watch. Whoever cannot reach it goes on without.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fedlens.sweeps.tasks import Event


class Post:
    """The end of the mailbox that travels.

    Args:
        queue: Ray's.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def __call__(self, event: Event) -> None:
        """Put an event in."""
        import ray

        with suppress(ray.exceptions.RayError):
            self._queue.put(event, block=False)


class Mailbox:
    """The end that stays; it takes no CPU from the cells."""

    def __init__(self) -> None:
        import ray
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        self.post = Post(self._queue)

    def read(self) -> Sequence[Event]:
        """What has come since the last time."""
        import ray

        with suppress(ray.exceptions.RayError):
            events: list[Event] = self._queue.get_nowait_batch(self._queue.qsize())
            return events
        return []

    def close(self) -> None:
        """End it."""
        import ray

        with suppress(ray.exceptions.RayError):
            self._queue.shutdown(force=True)
