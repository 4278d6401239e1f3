"""The server of the review page: where it listens, and at which address it is opened."""

import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable

import cv2
import uvicorn
from starlette.types import ASGIApp

from glomspike.errors import UsageError
from glomspike.review.guard import LOOPBACK_NAMES, Guard
from glomspike.slide.memory import MMAP_THRESHOLD, tune_allocation
from glomspike.slide.scan import limit_tile_cache

USUAL_PORT = 8765
TOKEN_BYTES = 24
RETURNED_BYTES = 2**20  # from which on memory goes back to the system once it is free
TILE_CACHE_BYTES = 64 * 2**20  # of decoded pixels of all slides: some 250 stored tiles
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 only where the user wants it


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens on a port: the usual one where that is free, or the one that is given.

    Raises UsageError where the address is not this machine's or the port given is taken.
    """
    if port is None:
        try:
            return _bound(host, USUAL_PORT)
        except OSError:
            port = 0  # any that is free
    try:
        return _bound(host, port)
    except OSError as error:
        cause = f"port {port} of {host} cannot be listened on ({error.strerror})"
        raise UsageError("--port", cause, "give another --port, or omit it") from error


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio lets a socket send small parts at once only where it is expressly TCP: else the end of each
    # answer waits 40 ms for the browser to acknowledge its beginning.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)
    except OSError:
        bound.close()
        raise
    return bound


def is_local(host: str) -> bool:
    """Whether only this machine can reach what listens on a host."""
    return host in LOOPBACK_NAMES


def serve(app: ASGIApp, bound: socket.socket, anywhere: bool, announce: Callable[[str], None]) -> None:
    """Answer requests until the process is interrupted; `announce` is called with the address to open.

    `anywhere` lets other machines in, which call this one by an address or by its name.
    """
    # Each picture is decoded in a separate thread: threads within one would only wait for one another.
    cv2.setNumThreads(1)
    host, port = bound.getsockname()[:2]
    token = secrets.token_urlsafe(TOKEN_BYTES)
    names = frozenset({socket.gethostname().lower()}) if anywhere else frozenset[str]()
    shown = host if anywhere and host != EVERY_ADDRESS else "127.0.0.1"
    announce(f"http://{shown}:{port}/?token={token}")
    server_of(Guard(app, token, port, anywhere, names)).run(sockets=[bound])


def limit_memory() -> None:
    """Keeps the memory of a server that runs for days within bounds. Call it before slides are opened.

    Once a large piece of memory was free, glibc would keep the next ones of that size.
    """
    limit_tile_cache(TILE_CACHE_BYTES)
    tune_allocation(MMAP_THRESHOLD, RETURNED_BYTES)


def server_of(guard: Guard) -> uvicorn.Server:
    """A server that says nothing about itself, and logs no requests."""
    return uvicorn.Server(
        uvicorn.Config(
            guard, log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none"
        )
    )


def open_browser(address: str) -> None:
    """Opens the address where there is a screen; a browser for terminals is none that shows slides."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)
