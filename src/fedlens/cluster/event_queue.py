"""Events of tasks on other machines: a Ray queue on the machine of the sweep.

It only serves those who watch. A task that cannot reach it goes on without.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fedlens.simulation.callback import Event


class EventSender:
    """The sending end of an `EventQueue`, which travels to other machines.

    Args:
        queue: Ray's.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def __call__(self, event: Event) -> None:
        """Send an event; drop it where the queue cannot be reached."""
        import ray

        with suppress(ray.exceptions.RayError):
            self._queue.put(event, block=False)


class EventQueue:
    """A queue of events; it takes no CPU from the tasks.

    Attributes:
        sender: the end to send from.
    """

    def __init__(self) -> None:
        import ray
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        this_node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": this_node})
        self.sender = EventSender(self._queue)

    def read(self) -> Sequence[Event]:
        """Remove and return the events that have arrived."""
        import ray

        with suppress(ray.exceptions.RayError):
            events: list[Event] = self._queue.get_nowait_batch(self._queue.qsize())
            return events
        return []

    def close(self) -> None:
        """Shut the queue down."""
        import ray

        with suppress(ray.exceptions.RayError):
            self._queue.shutdown(force=True)
