"""Who may look: only pages that this server sent itself, to a browser that was given the token.

A server on 127.0.0.1 can be reached by every process of the machine, and through the browser by every web page that is
open in it. So each request must name this server as its host (against names that were made to lead here), come from no
other page, and carry the token, which the address that is printed has, and a cookie afterwards.
"""

from secrets import compare_digest
from urllib.parse import urlencode

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

PLACES = ("/", "/report")
"""Where an address with the token may lead."""
COOKIE = "fedlens-token"
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Lets requests through to `app` that may look."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        answer = self._answer(scope) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        """What to answer in place of the page; ``None`` where the request is let through."""
        request = Request(scope)
        if (reason := self._strange(request.headers)) is not None:
            return _refused(reason)
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("there is nothing to change here\n", 405, HEADERS)
        name = f"{COOKIE}-{request.headers['host'].rpartition(':')[2]}"
        token = request.query_params.get("token")
        if not self._known(request.cookies.get(name, "") if token is None else token):
            return _refused("the token is missing or another one; open the address that `fedlens watch` printed")
        if token is None:
            return None
        rest = [(key, value) for key, value in request.query_params.multi_items() if key != "token"]
        place = scope["path"] if scope["path"] in PLACES else "/"  # a path like //elsewhere would lead there
        answer = RedirectResponse(f"{place}?{urlencode(rest)}" if rest else place, 303, HEADERS)
        answer.set_cookie(name, self._token, httponly=True, samesite="strict")
        return answer

    def _strange(self, headers: Headers) -> str | None:
        """Why the request is not from a page of this server; ``None`` if it may be."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self._hosts:
            return "this page is for a browser on the machine where `fedlens watch` runs"
        if origin not in {None, f"http://{host}"} or headers.get("sec-fetch-site", "none") not in {
            "none",
            "same-origin",
        }:
            return "another page may not look in here"
        return None

    def _known(self, token: str) -> bool:
        return compare_digest(token.encode(), self._token.encode())


def _refused(reason: str) -> Response:
    return PlainTextResponse(f"Refused: {reason}.\n", 403, HEADERS)
