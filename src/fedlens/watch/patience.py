"""How long the server waits for a browser: a connection on which nothing comes, or goes, is given up."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

ASKING = 10.0
"""Seconds within which a request has to be there as a whole."""
TAKING = 30.0
"""Seconds within which a browser has to take some of what it is sent."""


class Impatient(H11Protocol):
    """Uvicorn's protocol, which by itself waits for ever."""

    _asking: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._asking = self.loop.call_later(ASKING, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request, and wait for its rest."""
        if self._asking is None and (self.cycle is None or self.cycle.response_complete):
            self._asking = self.loop.call_later(ASKING, self._give_up)
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._asking = _stopped(self._asking)

    def pause_writing(self) -> None:
        """Wait for the browser to take what is there."""
        super().pause_writing()
        self._taking = self.loop.call_later(TAKING, self._give_up)

    def resume_writing(self) -> None:
        """Go on sending."""
        self._taking = _stopped(self._taking)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._asking, self._taking = _stopped(self._asking), _stopped(self._taking)
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


def _stopped(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """What is left of a timer that is needed no more: nothing."""
    if timer is not None:
        timer.cancel()
    return None
