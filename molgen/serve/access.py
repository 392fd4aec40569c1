"""Who may use the workbench: whoever has its token, from this machine, through its own page."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from secrets import compare_digest

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST = "127.0.0.1"
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
MAP_HEADERS = {
    "content-security-policy": "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
}
"""Headers of the page of a map. The page itself states the hash of its only script, so that 'unsafe-inline' here allows
no other. The sandbox gives the page no origin, and `default-src` no requests, so that its content can reach neither the
page around it nor the server."""


class Access:
    """ASGI middleware that refuses requests of strangers.

    A request must name this server as its host (400: another name may point to this machine, by DNS rebinding), must
    not name another origin (403), and must have the token, in the address or, after that, in a SameSite=Strict cookie,
    which browsers do not send from pages of other sites (403).
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        """Guards `app`, which listens on `port`."""
        self._app, self._token = app, token
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self._cookie = f"molgen-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers or passes on one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await (self._own_answer(scope) or self._app)(scope, receive, _with_headers(send))

    def _own_answer(self, scope: Scope) -> Response | None:
        """The answer to a request that is not passed on: a refusal, or the redirect that sets the cookie."""
        headers = Headers(scope=scope)
        if headers.get("host") not in self._hosts:
            return PlainTextResponse("unknown host", 400)
        if headers.get("origin", f"http://{headers['host']}") != f"http://{headers['host']}":
            return PlainTextResponse("foreign origin", 403)
        if self._is_token(QueryParams(scope["query_string"]).get("token", "")):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
            return answer
        if not self._is_token(_read_cookie(headers.get("cookie", ""), self._cookie)):
            return PlainTextResponse("Open the address that `molgen serve` printed: it holds the token.", 403)
        return None

    def _is_token(self, text: str) -> bool:
        return compare_digest(text.encode(), self._token.encode())


def _read_cookie(text: str, name: str) -> str:
    try:
        cookie = SimpleCookie(text).get(name)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers
