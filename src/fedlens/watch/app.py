"""The web application: a list of a folder's runs, and the report of selected ones; both follow changes on disk."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from fedlens.core.errors import FedlensError
from fedlens.report.html.page import described, rendered
from fedlens.watch.changes import Watcher, state_of
from fedlens.watch.guard import HEADERS, Guard
from fedlens.watch.pages import list_page, trouble_page
from fedlens.watch.run_list import directories, list_runs


def watch_app(folder: Path, data_dir: Path | None, token: str, port: int) -> Starlette:
    """Create the application.

    Args:
        folder: a folder of runs, or a run directory.
        data_dir: where data files are.
        token: the secret that a browser must present.
        port: where the application is served, on 127.0.0.1.
    """

    def index(_: Request) -> Response:
        return HTMLResponse(list_page(folder, list_runs(folder)), headers=HEADERS)

    def report(request: Request) -> Response:
        selected = _selected(folder, request)
        if not selected:
            return HTMLResponse(trouble_page("None of these runs is there any more."), 404, HEADERS)
        try:
            page = described(list(selected.values()), data_dir)
        except (FedlensError, OSError) as error:
            return HTMLResponse(trouble_page(str(error)), headers=HEADERS)
        only_content = request.headers.get("x-part") == "1"
        return HTMLResponse(rendered(page, live=True, library=not only_content), headers=HEADERS)

    watcher = Watcher(lambda: state_of(directories(folder)))

    async def changes(request: Request) -> Response:
        stream = watcher.events(request.query_params.getlist("run"), request.is_disconnected)
        return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)

    routes = [Route("/", index), Route("/report", report), Route("/events", changes)]
    app = Starlette(routes=routes, middleware=[Middleware(Guard, token=token, port=port)])
    app.router.redirect_slashes = False
    return app


def _selected(folder: Path, request: Request) -> dict[str, Path]:
    """Return the existing runs that the request's address names."""
    paths = directories(folder)
    return {name: paths[name] for name in request.query_params.getlist("run") if name in paths}
