"""The web server, on 127.0.0.1 only, until it is interrupted."""

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from fedlens.core.errors import ConfigError
from fedlens.watch.app import watch_app

MOST = 200
"""The most connections at once; a browser has a few for each page."""


def serve(folder: Path, data_dir: Path | None, port: int, ready: Callable[[str], None]) -> None:
    """Serve the runs of `folder` until Ctrl-C.

    Args:
        folder: a folder of runs, or a run directory.
        data_dir: where data files are.
        port: where to listen; 0 for any that is free.
        ready: called with the address, which includes the token.

    Raises:
        ConfigError: the port is in use.
    """
    import uvicorn

    from fedlens.watch.timeouts import TimeoutProtocol

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
            listening.listen()  # early connections wait until the server is there
        except OSError as error:
            raise ConfigError(f"--port {port}: cannot be listened on ({error.strerror}); leave it out") from error
        port, token = listening.getsockname()[1], secrets.token_urlsafe(16)
        app = watch_app(folder, data_dir, token, port)
        config = uvicorn.Config(
            app,
            http=TimeoutProtocol,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
            limit_concurrency=MOST,
        )
        ready(f"http://127.0.0.1:{port}/?token={token}")
        uvicorn.Server(config).run(sockets=[listening])
