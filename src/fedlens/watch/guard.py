"""Access control: only a browser that has the token may look, and only from pages of this server.

A server on 127.0.0.1 can be reached by every process of the machine and, through the browser, by every open web page.
So each request must name this server as its host (against DNS rebinding), must not come from another page, and must
carry the token: first in the address that is printed, then in a cookie.
"""

from secrets import compare_digest
from urllib.parse import urlencode

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

PATHS = ("/", "/report")
"""The paths that an address with the token may lead to."""
COOKIE = "fedlens-token"
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Middleware that passes on to `app` the requests that may look."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or redirect a request, or pass it on."""
        answer = self._answer(scope) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        """Return the response that replaces the page; ``None`` if the request may pass."""
        request = Request(scope)
        if (reason := self._foreign(request.headers)) is not None:
            return _refused(reason)
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("there is nothing to change here\n", 405, HEADERS)
        name = f"{COOKIE}-{request.headers['host'].rpartition(':')[2]}"
        token = request.query_params.get("token")
        if not self._is_token(request.cookies.get(name, "") if token is None else token):
            return _refused("the token is missing or another one; open the address that `fedlens watch` printed")
        if token is None:
            return None
        rest = [(key, value) for key, value in request.query_params.multi_items() if key != "token"]
        path = scope["path"] if scope["path"] in PATHS else "/"  # a path like //elsewhere would lead there
        answer = RedirectResponse(f"{path}?{urlencode(rest)}" if rest else path, 303, HEADERS)
        answer.set_cookie(name, self._token, httponly=True, samesite="strict")
        return answer

    def _foreign(self, headers: Headers) -> str | None:
        """Return why the request is not from a page of this server; ``None`` if it may be."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self._hosts:
            return "this page is for a browser on the machine where `fedlens watch` runs"
        if origin not in {None, f"http://{host}"} or headers.get("sec-fetch-site", "none") not in {
            "none",
            "same-origin",
        }:
            return "another page may not look in here"
        return None

    def _is_token(self, token: str) -> bool:
        return compare_digest(token.encode(), self._token.encode())


def _refused(reason: str) -> Response:
    return PlainTextResponse(f"Refused: {reason}.\n", 403, HEADERS)
