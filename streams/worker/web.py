"""``/livez``, ``/readyz`` and ``/metrics`` over HTTP, from threads of their own.

So they answer even where the event loop stands still. What they say is in docs/operations.md.
"""

from __future__ import annotations

import errno
import socket
import threading
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
import structlog
from prometheus_client import make_wsgi_app

from config.logging import masker
from config.wrong import WrongSettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from config.settings import Settings
    from streams.worker.health import Health

    StartResponse = Callable[[str, list[tuple[str, str]]], Any]
    Answer = tuple[str, str, bytes]

log = structlog.get_logger()
OK, UNAVAILABLE = "200 OK", "503 Service Unavailable"
TEXT, HTML, JSON = "text/plain; charset=utf-8", "text/html; charset=utf-8", "application/json"
PAGES = {"/livez": "is it alive", "/readyz": "is it ready, and why not", "/metrics": "Prometheus"}
REQUEST_WITHIN_S = 10


class CannotServe(Exception):
    """Another process has the port that the settings name."""


class Web:
    """The WSGI application."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self._health = health
        self._mask = masker(settings)
        self._metrics = make_wsgi_app()

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        """See PEP 3333."""
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start)
            return answer
        pages = {"/": self._index, "/livez": self._alive, "/readyz": self._ready}
        page = pages.get(path)
        status, kind, body = page() if page else ("404 Not Found", TEXT, b"not found\n")
        start(
            status,
            [
                ("Content-Type", kind),
                ("Content-Length", str(len(body))),
                ("Cache-Control", "no-store"),
            ],
        )
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]

    def _index(self) -> Answer:
        links = "".join(f'<li><a href="{path}">{path}</a> {it}</li>' for path, it in PAGES.items())
        return OK, HTML, f"<!doctype html><title>hookpoint</title><ul>{links}</ul>\n".encode()

    def _alive(self) -> Answer:
        why_not = self._health.alive()
        return (
            (OK, TEXT, b"ok\n") if why_not is None else (UNAVAILABLE, TEXT, f"{why_not}\n".encode())
        )

    def _ready(self) -> Answer:
        report = self._health.report()
        body = orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return OK if report["ready"] else UNAVAILABLE, JSON, self._mask(body.decode()).encode()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """As the standard library does it, but without asking a name server who we are."""
        TCPServer.server_bind(self)
        host, self.server_port = self.server_address[:2]
        self.server_name = str(host)
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_WITHIN_S

    def log_message(self, *_: Any) -> None:
        """Probes ask every few seconds: no line for each."""


def serve(settings: Settings, health: Health) -> str | None:
    """Answer from now on, as long as the process lives.

    Returns:
        The address; None if the settings turn it off.

    Raises:
        CannotServe: the port that the settings name is taken.
        WrongSettingError: their host is not this machine's, or the port is not ours to take.
    """
    if not settings.web_port:
        return None
    app = Web(settings, health)
    try:
        server = _bound(settings.web_host, settings.web_port, app)
    except OSError as problem:
        where = f"HOOKPOINT_WEB_HOST {settings.web_host}, HOOKPOINT_WEB_PORT {settings.web_port}"
        if problem.errno != errno.EADDRINUSE:
            raise WrongSettingError(f"{where}: {problem.strerror or problem}") from problem
        if "web_port" in settings.model_fields_set:
            raise CannotServe(f"{where}: {problem.strerror or problem}") from problem
        server = _bound(settings.web_host, 0, app)
        log.warning("port is taken, answering on another", port=settings.web_port)
    threading.Thread(target=server.serve_forever, name="web", daemon=True).start()
    host = f"[{settings.web_host}]" if ":" in settings.web_host else settings.web_host
    url = f"http://{host}:{server.server_port}"
    log.info("health and metrics", url=url)
    return url


def _bound(host: str, port: int, app: Web) -> WSGIServer:
    kind = _Server6 if ":" in host else _Server
    return make_server(host, port, app, kind, _Handler)
