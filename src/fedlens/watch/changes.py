"""What has changed on disk, as server-sent events: however many pages are open, one look serves all of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from pathlib import Path

EVERY = 0.5
"""Seconds between two looks."""
_ALIVE = 15.0
"""Seconds after which a comment is sent, so that a browser that has gone is noticed."""
_FILES = ("rounds.jsonl", "summary.json", "experiment.yaml", "explanations")

State = tuple[tuple[str, str, int, int], ...]


def state_of(runs: Mapping[str, Path]) -> State:
    """Size and time of what a page of these runs shows."""
    found = []
    for name, path in runs.items():
        for file in _FILES:
            try:
                status = (path / file).stat()
            except OSError:
                continue
            found.append((name, file, status.st_size, status.st_mtime_ns))
    return tuple(found)


class Watcher:
    """Looks at the disk as long as anybody listens.

    Args:
        look: what is there.
    """

    def __init__(self, look: Callable[[], State]) -> None:
        self._look = look
        self._latest: State = ()
        self._listening = 0
        self._work: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()

    async def events(self, wanted: Collection[str], gone: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
        """An event each time that a run so named changes (any, if none is named), until the browser is `gone`."""
        self._listening += 1
        try:
            if self._work is None or self._work.done():
                self._looked = asyncio.Event()
                self._work = asyncio.create_task(self._go_on_looking(self._looked))
            await self._looked.wait()
            seen, quiet = self._of(wanted), 0.0
            yield "retry: 1000\n\n"
            while not await gone():
                await asyncio.sleep(EVERY)
                quiet += EVERY
                if (now := self._of(wanted)) != seen:
                    seen, quiet = now, 0.0
                    yield "event: change\ndata: \n\n"
                elif quiet >= _ALIVE:
                    quiet = 0.0
                    yield ": still here\n\n"
        finally:
            self._listening -= 1

    def _of(self, wanted: Collection[str]) -> State:
        return tuple(part for part in self._latest if not wanted or part[0] in wanted)

    async def _go_on_looking(self, looked: asyncio.Event) -> None:
        while self._listening:
            self._latest = await asyncio.to_thread(self._look)
            looked.set()
            await asyncio.sleep(EVERY)
