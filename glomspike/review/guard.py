"""Who may talk to the server: every request is checked before anything is done for it.

The server listens on this machine only, but every page that is open in the browser could call it. So each
request must carry the token, as a cookie that other pages cannot send or as a header, and must name a host
that is this machine: a name that was made to point here (DNS rebinding) is another. What changes something
must come from the page itself and be small.
"""

import ipaddress
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY_BYTES = 512 * 1024
TOKEN_HEADER = "x-glomspike-token"  # noqa: S105 a header's name
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
READING = frozenset({"GET", "HEAD"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """The application behind its checks.

    `port` is the server's, which names the cookie: two servers on one machine do not take each other's.
    `anywhere` lets other machines in, which then may call this one by any address, or by one of `names`.
    """

    def __init__(
        self, app: ASGIApp, token: str, port: int, anywhere: bool = False, names: frozenset[str] = frozenset()
    ) -> None:
        self._app = app
        self._token = token
        self._cookie = f"glomspike-{port}"
        self._anywhere = anywhere
        self._names = LOOPBACK_NAMES | names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or hands it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        guarded = _with_headers(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, guarded)
            return
        body = await _whole_body(receive)
        if body is None:
            await _plain(413, "the request is too large")(scope, receive, guarded)
            return
        await self._app(scope, _replayed(body, receive), guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """What is answered instead of the application; None where it may answer."""
        headers = Headers(scope=scope)
        if not self._is_this_machine(headers.get("host", "")):
            return _plain(421, "this server is not known by that name")
        if scope["method"] not in READING | {"POST"}:
            return _plain(405, "this cannot be done here")
        if (
            scope["path"] == "/"
            and scope["method"] == "GET"
            and self._is_token(_token_of_query(scope["query_string"]))
        ):
            return self._welcome()
        if not self._has_token(headers):
            return _plain(403, "open the address that `glomspike review` printed")
        if scope["method"] == "POST" and not _is_own_page(headers):
            return _plain(403, "only the review page itself can make changes")
        return None

    def _is_this_machine(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or (self._anywhere and _is_address(name))

    def _is_token(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._token.encode())

    def _has_token(self, headers: Headers) -> bool:
        if TOKEN_HEADER in headers:
            return self._is_token(headers[TOKEN_HEADER])
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        return self._cookie in cookies and self._is_token(cookies[self._cookie].value)

    def _welcome(self) -> Response:
        """The token as a cookie, and the address without it, so that it stays in no history."""
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(self._cookie, self._token, path="/", httponly=True, samesite="strict")
        return answer


def _plain(status: int, text: str) -> Response:
    return PlainTextResponse(f"glomspike: {text}\n", status_code=status)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _token_of_query(query: bytes) -> str:
    given: Mapping[str, list[str]] = parse_qs(query.decode("latin-1"))
    return given.get("token", [""])[0]


def _is_own_page(headers: Headers) -> bool:
    """Whether the origin, which a browser always says of what changes something, is this server."""
    if headers.get("content-type", "").split(";")[0].strip() != "application/json":
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


async def _whole_body(receive: Receive) -> bytes | None:
    """The request's body, None where it is too large."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY_BYTES:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A body that was read already, then whatever comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return guarded
