"""A small threaded WSGI server that keeps connections open (HTTP/1.1, RFC 9112; WSGI, PEP 3333).

Werkzeug's development server closes every connection after its answer, which costs an AWS client
a new connection (and this server a new thread) for each call. Here a connection keeps its thread
until the client closes it or falls silent. A request is read whole before it is handled, so an
application that does not read its body cannot put a connection out of step.
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

log = logging.getLogger(__name__)

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

HEALTH_PATH = "/_minilab/health"
"""Answers 200 once requests are served."""
DENIALS_PATH = "/_minilab/denials"
"""Answers what was refused since the server started; 404 where IAM is not enforced."""

_MAX_HEAD = 64 * 1024
_IDLE_SECONDS = 600.0
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_SENDFILE_MIN = 256 * 1024


class BadRequest(Exception):
    """The bytes on the connection are no HTTP/1.x request; it is answered 400 and closed."""


class FileBody:
    """A response body that is a range of a file: sent by the kernel, without a copy in Python."""

    def __init__(self, file: Any, start: int, length: int) -> None:
        self.file = file
        self.start = start
        self.length = length

    def __iter__(self) -> Iterable[bytes]:  # for a server that does not know this class
        self.file.seek(self.start)
        left = self.length
        while left > 0 and (block := self.file.read(min(left, 1 << 20))):
            left -= len(block)
            yield block

    def close(self) -> None:
        self.file.close()


class Server:
    """Serves ``app`` on a listening socket, one thread per connection."""

    def __init__(self, listener: socket.socket, app: WsgiApp) -> None:
        self.listener = listener
        self.app = app
        self.port: int = listener.getsockname()[1]
        self._stopping = threading.Event()
        self._connections: dict[_Connection, None] = {}
        self._lock = threading.Lock()

    def serve_forever(self) -> None:
        # A timeout, because closing a socket does not wake a thread that waits in accept().
        self.listener.settimeout(0.1)
        while not self._stopping.is_set():
            try:
                client, address = self.listener.accept()
            except TimeoutError:
                continue
            except OSError:
                if self._stopping.is_set():
                    return
                raise
            connection = _Connection(self, client, address)
            with self._lock:
                self._connections[connection] = None
            threading.Thread(target=connection.run, name="http", daemon=True).start()

    def stop_accepting(self) -> None:
        """Take no new requests; those that run go on. ``serve_forever`` returns soon."""
        self._stopping.set()
        for connection in self._open():
            connection.stop_reading()

    def wait_until_idle(self, grace: float = 10.0) -> None:
        """Let running requests end; after ``grace`` seconds, leave them to their fate."""
        deadline = time.monotonic() + grace
        for connection in self._open():
            connection.ended.wait(max(0.0, deadline - time.monotonic()))

    def _open(self) -> list[_Connection]:
        with self._lock:
            return list(self._connections)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def forget(self, connection: _Connection) -> None:
        with self._lock:
            self._connections.pop(connection, None)


class _Connection:
    def __init__(self, server: Server, client: socket.socket, address: Any) -> None:
        self.server = server
        self.client = client
        self.address = address
        self.ended = threading.Event()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(_IDLE_SECONDS)
        self.reader = client.makefile("rb", buffering=256 * 1024)

    def run(self) -> None:
        try:
            while not self.server.stopping and self._serve_one():
                pass
        except (ConnectionError, TimeoutError):
            pass  # the client went away, which is its right
        except BadRequest as error:
            self._send_bad_request(str(error))
        except Exception:
            log.exception("connection from %s failed", self.address)
        finally:
            self.server.forget(self)
            for closing in (self.reader.close, self.client.close):
                with contextlib.suppress(OSError):
                    closing()
            self.ended.set()

    def stop_reading(self) -> None:
        """Wake the thread if it waits for the next request; a running one may still answer."""
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_RD)

    def _send_bad_request(self, text: str) -> None:
        body = f"{text}\n".encode()
        head = (
            f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            self.client.sendall(head.encode() + body)

    def _serve_one(self) -> bool:
        """Serve one request. Returns whether the connection may carry another one."""
        line = self.reader.readline(_MAX_HEAD)
        while line in (b"\r\n", b"\n"):  # RFC 9112 2.2: ignore empty lines before a request
            line = self.reader.readline(_MAX_HEAD)
        if not line:
            return False
        try:
            method, target, version = line.decode("latin-1").split()
        except ValueError:
            raise BadRequest("The request line is not METHOD TARGET VERSION.") from None
        if not version.startswith("HTTP/1."):
            raise BadRequest(f"{version} is not spoken here; HTTP/1.1 is.")
        environ = self._environ(method, target, version)
        keep = self._wants_keep_alive(environ, version)
        if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
            self.client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        environ["wsgi.input"] = io.BytesIO(self._read_body(environ))
        return _Response(self.client, method, version, keep).send(self.server.app, environ)

    @staticmethod
    def _wants_keep_alive(environ: dict[str, Any], version: str) -> bool:
        wanted = environ.get("HTTP_CONNECTION", "").lower()
        return wanted == "keep-alive" if version == "HTTP/1.0" else wanted != "close"

    def _environ(self, method: str, target: str, version: str) -> dict[str, Any]:
        if not target.startswith("/") and "://" in target:  # absolute form, as to a proxy
            target = "/" + target.split("://", 1)[1].partition("/")[2]
        raw_path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": target,
            "REQUEST_URI": target,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.port),
            "SERVER_PROTOCOL": version,
            "REMOTE_ADDR": self.address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        # moto reads S3 metadata names with underscores from here: WSGI itself cannot carry them.
        preserved: dict[str, str] = {}
        total = 0
        while True:
            line = self.reader.readline(_MAX_HEAD)
            total += len(line)
            if line in (b"\r\n", b"\n"):
                break
            if not line or total > _MAX_HEAD:
                raise BadRequest("The request's head ends early or is longer than 64 KiB.")
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise BadRequest(f"No colon in the header line {name.strip()!r}.")
            if "_" in name:
                if not name.lower().startswith("x-amz-meta-"):
                    continue
                preserved["HTTP_" + name.upper().replace("-", "_")] = name
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = "HTTP_" + key
            value = value.strip()
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        environ["moto.preserved_header_names"] = preserved
        return environ

    def _read_body(self, environ: dict[str, Any]) -> bytes:
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            body = self._read_chunks()
            del environ["HTTP_TRANSFER_ENCODING"]
            environ["CONTENT_LENGTH"] = str(len(body))
            return body
        text = environ.setdefault("CONTENT_LENGTH", "0") or "0"
        if not text.isdigit():
            raise BadRequest(f"Content-Length {text!r} is no number.")
        length = int(text)
        body = self.reader.read(length) if length else b""
        if len(body) != length:
            raise ConnectionResetError("the client closed within a body")
        return body

    def _read_chunks(self) -> bytes:
        parts = []
        while True:
            size_text = self.reader.readline(_MAX_HEAD).split(b";", 1)[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                raise BadRequest(f"Chunk size {size_text!r} is no number.") from None
            if size == 0:
                while self.reader.readline(_MAX_HEAD) not in (b"\r\n", b"\n", b""):
                    pass  # trailers
                return b"".join(parts)
            chunk = self.reader.read(size)
            if len(chunk) != size:
                raise ConnectionResetError("the client closed within a chunk")
            parts.append(chunk)
            self.reader.readline(_MAX_HEAD)


class _Response:
    def __init__(self, client: socket.socket, method: str, version: str, keep: bool) -> None:
        self.client = client
        self.method = method
        self.version = version
        self.keep = keep
        self.status = ""
        self.headers: list[tuple[str, str]] = []

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        self.status = status
        self.headers = headers

    def send(self, app: WsgiApp, environ: dict[str, Any]) -> bool:
        body = app(environ, self.start)
        try:
            if isinstance(body, FileBody):
                self._send_file(body)
            else:
                self._send_bytes(b"".join(body))
        finally:
            if hasattr(body, "close"):
                body.close()
        return self.keep

    def _head(self, length: int) -> bytes:
        code = self.status[:3]
        lines = [f"HTTP/1.1 {code} {_REASONS.get(int(code), 'Unknown')}\r\n"]
        has_length = False
        for name, value in self.headers:
            lowered = name.lower()
            if lowered in ("connection", "transfer-encoding"):
                continue
            if lowered == "content-length":
                # A HEAD's answer names the length that a GET's body would have.
                if self.method != "HEAD":
                    continue
                has_length = True
            lines.append(f"{name}: {value}\r\n")
        if not has_length and code not in ("204", "304"):
            lines.append(f"Content-Length: {length}\r\n")
        lines.append("Connection: keep-alive\r\n\r\n" if self.keep else "Connection: close\r\n\r\n")
        return "".join(lines).encode("latin-1")

    def _send_bytes(self, body: bytes) -> None:
        head = self._head(len(body))
        if self.method == "HEAD" or not body:
            self.client.sendall(head)
        elif len(body) < _SENDFILE_MIN:
            self.client.sendall(head + body)
        else:
            self.client.sendall(head)
            self.client.sendall(body)

    def _send_file(self, body: FileBody) -> None:
        self.client.sendall(self._head(body.length))
        if self.method != "HEAD" and body.length:
            self.client.sendfile(body.file, body.start, body.length)
