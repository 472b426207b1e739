"""Changes on disk as server-sent events; one poll serves all open pages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from pathlib import Path

EVERY = 0.5
"""Seconds between two polls."""
_ALIVE = 15.0
"""Seconds of quiet after which a comment is sent, to find out whether the browser is still there."""
_FILES = ("rounds.jsonl", "summary.json", "experiment.yaml", "explanations")

State = tuple[tuple[str, str, int, int], ...]


def state_of(runs: Mapping[str, Path]) -> State:
    """Return the sizes and times of the files that a page of these runs shows."""
    entries = []
    for name, path in runs.items():
        for file in _FILES:
            try:
                status = (path / file).stat()
            except OSError:
                continue
            entries.append((name, file, status.st_size, status.st_mtime_ns))
    return tuple(entries)


class Watcher:
    """A poller of the disk, which works as long as anybody listens.

    Args:
        look: returns the present state.
    """

    def __init__(self, look: Callable[[], State]) -> None:
        self._look = look
        self._latest: State = ()
        self._listening = 0
        self._poller: asyncio.Task[None] | None = None
        self._first_look = asyncio.Event()

    async def events(self, wanted: Collection[str], gone: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
        """Yield an event whenever one of the `wanted` runs changes, or any run if none is named, until `gone`."""
        self._listening += 1
        try:
            if self._poller is None or self._poller.done():
                self._first_look = asyncio.Event()
                self._poller = asyncio.create_task(self._poll(self._first_look))
            await self._first_look.wait()
            last, quiet = self._of(wanted), 0.0
            yield "retry: 1000\n\n"
            while not await gone():
                await asyncio.sleep(EVERY)
                quiet += EVERY
                if (now := self._of(wanted)) != last:
                    last, quiet = now, 0.0
                    yield "event: change\ndata: \n\n"
                elif quiet >= _ALIVE:
                    quiet = 0.0
                    yield ": still here\n\n"
        finally:
            self._listening -= 1

    def _of(self, wanted: Collection[str]) -> State:
        return tuple(entry for entry in self._latest if not wanted or entry[0] in wanted)

    async def _poll(self, first_look: asyncio.Event) -> None:
        while self._listening:
            self._latest = await asyncio.to_thread(self._look)
            first_look.set()
            await asyncio.sleep(EVERY)
