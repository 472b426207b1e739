"""Timeouts of the server: a connection on which nothing arrives, or nothing is accepted, is closed."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_TIMEOUT = 10.0
"""Seconds within which a whole request must arrive."""
WRITE_TIMEOUT = 30.0
"""Seconds within which a browser must accept some of what it is sent."""


class TimeoutProtocol(H11Protocol):
    """Uvicorn's protocol with timeouts; by itself it waits forever."""

    _request_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the timer for the first request."""
        super().connection_made(transport)
        self._request_timer = self.loop.call_later(REQUEST_TIMEOUT, self._abort)

    def data_received(self, data: bytes) -> None:
        """Receive a part of a request; start or stop the timer for the rest."""
        if self._request_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._request_timer = self.loop.call_later(REQUEST_TIMEOUT, self._abort)
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._request_timer = _stopped(self._request_timer)

    def pause_writing(self) -> None:
        """Pause, and start the timer for the browser to accept data."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_TIMEOUT, self._abort)

    def resume_writing(self) -> None:
        """Stop that timer and go on sending."""
        self._write_timer = _stopped(self._write_timer)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._request_timer, self._write_timer = _stopped(self._request_timer), _stopped(self._write_timer)
        super().connection_lost(exc)

    def _abort(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


def _stopped(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancel a timer; return ``None``, to replace it."""
    if timer is not None:
        timer.cancel()
    return None
