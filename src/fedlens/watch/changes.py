"""What has changed on disk, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
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


async def events(look: Callable[[], State], gone: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
    """An event each time that `look` sees something else, until the browser is `gone`."""
    seen, quiet = look(), 0.0
    yield "retry: 1000\n\n"
    while not await gone():
        await asyncio.sleep(EVERY)
        quiet += EVERY
        if (now := await asyncio.to_thread(look)) != seen:
            seen, quiet = now, 0.0
            yield "event: change\ndata: \n\n"
        elif quiet >= _ALIVE:
            quiet = 0.0
            yield ": still here\n\n"
