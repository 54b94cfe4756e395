"""The page's web server: loopback only, a token in the address, JSON in and out, no files."""

import json
import math
import secrets
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..errors import BnnhwError, DeviceError
from . import guard
from .files import CSP, File, assets
from .guard import Refused
from .target import Target, told

__all__ = ["PageServer"]

_LOOPBACK = "127.0.0.1"
_CONNECTIONS = 32
_PATIENCE = 10.0
_HEADERS = {
    "Content-Security-Policy": f"{CSP}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "serial=(self), camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class PageServer(ThreadingHTTPServer):
    """Serve the page to this machine's browsers; `serve_forever` answers until `shutdown`.

    Every address begins with a random token, so that neither other sites nor other users of the
    machine get an answer. Requests must name this server as their host, and where they name an
    origin or the site that they come from, it must be this page's.

    Parameters
    ----------
    target : Target
        Who answers. The server does not close it.
    design : dict
        What `bnnhw.page.design.design` gives.
    port : int
        TCP port on the loopback interface; any free one where 0.

    Raises
    ------
    DeviceError
        If the port is taken.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = _CONNECTIONS

    def __init__(self, target: Target, design: Mapping[str, Any], *, port: int = 0) -> None:
        self.target = target
        self.elements = math.prod(design["picture"])
        # A pixel takes up to three digits, a comma and a blank; codes up to two digits more.
        self.limit = 7 * self.elements + 1024
        self.token = secrets.token_urlsafe(16)
        self.pages = assets()
        document = json.dumps({**design, "server": True}).encode()
        self.pages["design.json"] = File("application/json", document)
        self.pages[""] = self.pages.pop("index.html")
        self._room = threading.BoundedSemaphore(_CONNECTIONS)
        self._open: set[socket.socket] = set()
        try:
            super().__init__((_LOOPBACK, port), _Handler)
        except OSError as error:
            raise DeviceError(
                f"Port {port} of this machine cannot be taken: {error.strerror}.",
                "Choose another, or none for any that is free.",
            ) from error
        number = self.server_address[1]
        self.hosts = {f"{_LOOPBACK}:{number}", f"localhost:{number}"}

    @property
    def url(self) -> str:
        """What to open in a browser."""
        return f"http://{_LOOPBACK}:{self.server_address[1]}/{self.token}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, as long as there are not too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for another."""
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)
            self._room.release()

    def server_close(self) -> None:
        """Leave the port, and the browsers that keep a connection open."""
        super().server_close()
        for request in list(self._open):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of browsers that leave early."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version = "bnnhw"
    sys_version = ""
    timeout = _PATIENCE

    def setup(self) -> None:
        super().setup()
        # Small answers to a page that waits for them.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *words: Any) -> None:
        """Keep quiet: addresses hold the token."""

    def version_string(self) -> str:
        return self.server_version

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what http.server itself refuses, as JSON and with our headers."""
        self._refuse(Refused(int(code), message or "This request is not understood."))

    def do_GET(self) -> None:
        """Give a file of the page, or the state of the board."""
        self._serve(self._get)

    def do_POST(self) -> None:
        """Answer an image, or reach the board again."""
        self._serve(self._post)

    def _serve(self, work: Any) -> None:
        try:
            if self.request_version == "HTTP/0.9":
                # Its answers have no head, so none of the headers that protect the page.
                raise Refused(505, "Say the version of HTTP.")
            guard.check_host(self.headers, self.server.hosts)
            name = guard.split(self.path, self.server.token)
            navigation = self.command == "GET" and not name
            guard.check_from(self.headers, self.server.hosts, navigation=navigation)
            work(name)
        except Refused as refused:
            self._refuse(refused)
        except BnnhwError as error:
            self._send_json(503 if isinstance(error, DeviceError) else 400, {"error": told(error)})

    def _get(self, name: str) -> None:
        if name == "api/state":
            self._send_json(200, self.server.target.state())
            return
        file = self.server.pages.get(name)
        if file is None:
            raise Refused(404, "There is nothing here.")
        self._send(200, file.kind, file.content)

    def _post(self, name: str) -> None:
        if name not in ("api/infer", "api/connect"):
            raise Refused(404, "There is nothing here.")
        length = guard.length_of(self.headers, self.server.limit)
        value = guard.value_of(self.rfile.read(length))
        target = self.server.target
        if name == "api/connect":
            target.connect()
            self._send_json(200, target.state())
        else:
            image, golden = guard.image_of(value, self.server.elements)
            self._send_json(200, target.answer(image, golden=golden))

    def _refuse(self, refused: Refused) -> None:
        # What is left of the request was not read and must not be taken for the next one.
        self.close_connection = True
        error = {"kind": "Refused", "what": refused.what, "todo": "", "exit_code": 2}
        self._send_json(refused.status, {"error": error})

    def _send_json(self, status: int, value: Any) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
