"""The laptop's API Gateway as a process, over real connections."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
HANDLER = "tests.local.gateway_handler:handler"


class Gateway:
    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def told(self, path: str, **more: Any) -> dict[str, Any]:
        status, _, body = self.ask("GET", path, **more)
        assert status == 200, body
        told: dict[str, Any] = json.loads(body)
        return told

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@contextmanager
def running(folder: Path, *options: str, handler: str = HANDLER) -> Iterator[Gateway]:
    log = folder / "gateway.log"
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        descriptor = listener.fileno()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "minilab_local.gateway.server", "--handler", handler),
                *("--fd", str(descriptor), *options),
            ],
            cwd=ROOT,
            pass_fds=(descriptor,),
            stdout=output,
            stderr=output,
        )
        gateway = Gateway(process, listener.getsockname()[1], log)
        try:
            gateway.told("/started")  # waits in the listener's queue until it is answered
            yield gateway
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(30)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway"), "--instances", "4") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One with a short timeout and few instances."""
    folder = tmp_path_factory.mktemp("hasty")
    with running(folder, "--instances", "2", "--timeout", "0.5") as gateway:
        yield gateway


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while block := connection.recv(65536):
        received += block
    return received


# Requests


def test_a_request_and_its_answer(gateway: Gateway) -> None:
    status, headers, body = gateway.ask(
        "GET",
        "/v1/streams/a%20b%2Fc/%C3%BC?x=1&x=%20&y",
        headers={"Cookie": "a=1; b=2", "X-Key": "k", "User-Agent": "test"},
    )
    told = json.loads(body)
    event, context = told["event"], told["context"]
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers.get_all("set-cookie") == ["seen=1", "again=2"]
    assert headers["apigw-requestid"] == event["requestContext"]["requestId"]
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/v1/streams/a b/c/ü"
    assert event["rawQueryString"] == "x=1&x=%20&y"
    assert event["queryStringParameters"] == {"x": "1, ", "y": ""}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-key"] == "k"
    assert event["headers"]["host"] == f"127.0.0.1:{gateway.port}"
    assert event["requestContext"]["http"] == {
        "method": "GET",
        "path": "/v1/streams/a b/c/ü",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "test",
    }
    assert context["function_name"] == "minilab-ingest"
    assert context["invoked_function_arn"].endswith(":function:minilab-ingest")
    assert context["memory_limit_in_mb"] == "512"
    assert 0 < context["remaining"] <= 30_000
    assert context["aws_request_id"] != gateway.told("/")["context"]["aws_request_id"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_goes_to_the_one_route(gateway: Gateway, method: str) -> None:
    status, _, body = gateway.ask(method, "/any", b"{}", {"Content-Type": "application/json"})
    event = json.loads(body)["event"]
    assert status == 200
    assert event["requestContext"]["http"]["method"] == method
    assert event["body"] == "{}"


def test_repeated_headers_are_joined(gateway: Gateway) -> None:
    with gateway.connect() as connection:
        connection.sendall(
            b"GET / HTTP/1.1\r\nHost: me\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n"
        )
        body = read_to_end(connection).partition(b"\r\n\r\n")[2]
    assert json.loads(body)["event"]["headers"]["x-a"] == "1,2"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/octet-stream", bytes(range(256)) * 50),
        ("application/cloudevents+json", '{"text": "ü €"}'.encode()),
        ("application/json", '{"text": "ü €"}'.encode()),
        ("image/png", b""),
    ],
)
def test_bodies_come_back_whole(gateway: Gateway, content_type: str, body: bytes) -> None:
    answer = gateway.ask("POST", "/body", body, {"Content-Type": content_type})
    assert (answer[0], answer[2]) == (200, body)
    assert answer[1]["content-type"] == content_type


def test_a_chunked_body(gateway: Gateway) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    blocks = [b"one ", b"two ", b"three" * 50_000]
    connection.request("POST", "/body", iter(blocks), encode_chunked=True)
    answer = connection.getresponse()
    assert answer.read() == b"".join(blocks)
    connection.close()


def test_a_body_is_asked_for_when_the_client_waits_for_that(gateway: Gateway) -> None:
    with gateway.connect() as connection:
        connection.sendall(
            b"POST /body HTTP/1.1\r\nHost: me\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ok")
        assert read_to_end(connection).endswith(b"\r\n\r\nok")


def test_head_has_the_length_and_no_body(gateway: Gateway) -> None:
    with gateway.connect() as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n")
        head, _, body = read_to_end(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"content-length: " in head
    assert body == b""


def test_no_content_has_no_length(gateway: Gateway) -> None:
    status, headers, body = gateway.ask("POST", "/no-content")
    assert (status, body) == (204, b"")
    assert "content-length" not in headers
    assert "transfer-encoding" not in headers


def test_one_connection_carries_many_requests_until_it_says_close(gateway: Gateway) -> None:
    with gateway.connect() as connection:
        request = b"POST /body HTTP/1.1\r\nHost: me\r\nContent-Length: 1\r\n\r\n%d"
        connection.sendall(request % 1 + request % 2)  # the second without waiting for the first
        received = b""
        while received.count(b"\r\n\r\n") < 2 or not received.endswith(b"2"):
            received += connection.recv(65536)
        connection.sendall(b"GET /no-content HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n")
        assert b"connection: close" in read_to_end(connection)


def test_what_is_not_http_is_refused(gateway: Gateway) -> None:
    with gateway.connect() as connection:
        connection.sendall(b"hello\r\n\r\n")
        assert read_to_end(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.0\r\n", 200),
        (b"GET http://elsewhere/y?z HTTP/1.1\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\n", 200),
        (b"GET //%zz%ff HTTP/1.1\r\n", 200),
        (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n", 200),
        (b"GET / HTTP/1.1\r\nX: \xff\xfe\r\n", 200),
        (b"GET /\xc3\xbc HTTP/1.1\r\n", 400),
        (b"CONNECT me:443 HTTP/1.1\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    ],
)
def test_odd_heads_are_answered(gateway: Gateway, head: bytes, status: int) -> None:
    with gateway.connect() as connection:
        connection.sendall(head + b"Host: me\r\nConnection: close\r\n\r\n")
        assert read_to_end(connection).startswith(b"HTTP/1.1 %d " % status)


# Limits


def message(answer: tuple[int, http.client.HTTPMessage, bytes]) -> tuple[int, dict[str, str]]:
    assert answer[1]["content-type"] == "application/json"
    return answer[0], json.loads(answer[2])


def test_more_than_ten_megabytes(gateway: Gateway) -> None:
    too_large = (413, {"message": "Request Entity Too Large"})
    body = bytes(10 * 1024 * 1024 + 1)
    assert message(gateway.ask("POST", "/body", body)) == too_large
    chunks = (body[at : at + 65536] for at in range(0, len(body), 65536))
    assert message(gateway.ask("POST", "/body", chunks)) == too_large
    with gateway.connect() as connection:  # a body that is never sent
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: me\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


def test_lambda_takes_six_megabytes_of_json(gateway: Gateway) -> None:
    text = {"Content-Type": "text/plain"}
    fits = b"x" * (6 * 1024 * 1024 - 4096)
    assert gateway.ask("POST", "/body", fits[: len(fits) // 4 * 3], text)[0] == 200
    assert gateway.ask("POST", "/no-content", fits, text)[0] == 204
    too_large = (413, {"message": "Request Entity Too Large"})
    assert message(gateway.ask("POST", "/no-content", fits + b"x" * 4096, text)) == too_large
    # The same bytes as base64 are a third more, and quotation marks are two bytes each.
    assert message(gateway.ask("POST", "/no-content", fits)) == too_large
    assert (
        message(gateway.ask("POST", "/no-content", b'"' * (len(fits) // 2 + 4096), text))[0] == 413
    )


def test_lambda_returns_six_megabytes(gateway: Gateway) -> None:
    status, _, body = gateway.ask("GET", f"/large?{6 * 1024 * 1024 - 1000}")
    assert (status, len(body)) == (200, 6 * 1024 * 1024 - 1000)
    failed = (500, {"message": "Internal Server Error"})
    assert message(gateway.ask("GET", f"/large?{6 * 1024 * 1024}")) == failed


def test_the_head_may_have_ten_kilobytes(gateway: Gateway) -> None:
    assert gateway.ask("GET", "/", headers={"X-Long": "x" * 10_000})[0] == 200
    answer = gateway.ask("GET", "/", headers={"X-Long": "x" * 10_240})
    assert message(answer) == (431, {"message": "Request Header Fields Too Large"})
    assert gateway.ask("GET", "/?" + "x" * 10_240)[0] == 431


# Failures


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/raise", "ValueError: the handler's own trouble"),
        ("/exit", "SystemExit: 3"),
        ("/bytes", "TypeError: Object of type bytes is not JSON serializable"),
        ("/malformed", "statusCode 'fine'"),
    ],
)
def test_a_failing_handler_is_500_and_its_reason_in_the_log(
    gateway: Gateway, path: str, said: str
) -> None:
    before = gateway.log.stat().st_size
    answer = message(gateway.ask("GET", path))
    assert answer == (500, {"message": "Internal Server Error"})
    assert said in gateway.log.read_bytes()[before:].decode()
    assert gateway.told("/")["event"]["version"] == "2.0"


def test_a_handler_that_hangs_is_503_and_does_not_hold_up_the_next(hasty: Gateway) -> None:
    unavailable = (503, {"message": "Service Unavailable"})
    assert message(hasty.ask("GET", "/wait?/never")) == unavailable
    assert hasty.ask("GET", "/")[0] == 200  # by the other instance
    assert message(hasty.ask("GET", "/wait?/never")) == unavailable
    assert message(hasty.ask("GET", "/raise")) == unavailable  # no instance is left; never called
    assert hasty.process.poll() is None


# Clients


def test_slow_and_silent_clients_hold_up_nobody(gateway: Gateway) -> None:
    """Twenty of them, five times as many as there are instances."""
    slow = [gateway.connect() for _ in range(20)]
    for connection in slow:
        connection.sendall(
            b"POST /body HTTP/1.1\r\nHost: me\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsl"
        )
    assert gateway.ask("GET", "/")[0] == 200
    for connection in slow[:10]:
        connection.sendall(b"ow\n")
        assert read_to_end(connection).endswith(b"slow\n")
    for connection in slow:  # half of them in the middle of their body
        connection.close()
    assert gateway.ask("GET", "/")[0] == 200


def test_half_closed_connections_are_let_go(gateway: Gateway) -> None:
    for sent in (b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: me\r\nContent-Length: 9\r\n\r\nha"):
        with gateway.connect() as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert read_to_end(connection) == b""
    assert gateway.ask("GET", "/")[0] == 200
    server = psutil.Process(gateway.process.pid)
    # A connection that only the server has not let go of is in CLOSE_WAIT.
    wait_for(
        lambda: psutil.CONN_CLOSE_WAIT not in {each.status for each in server.net_connections()}
    )


# Start and stop


def test_sigterm_lets_whole_requests_finish_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "go on"
    with running(tmp_path) as gateway:
        waiting, half, idle = gateway.connect(), gateway.connect(), gateway.connect()
        waiting.sendall(b"GET /wait?%b HTTP/1.1\r\nHost: me\r\n\r\n" % quote(str(file)).encode())
        half.sendall(b"POST / HTTP/1.1\r\nHost: me\r\nContent-Length: 9\r\n\r\nha")
        idle.sendall(b"GET /no-content HTTP/1.1\r\nHost: me\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 204 ")
        gateway.process.send_signal(signal.SIGTERM)
        assert read_to_end(half).startswith(b"HTTP/1.1 503 ")
        assert read_to_end(idle) == b""
        assert gateway.process.poll() is None
        file.touch()
        answer = read_to_end(waiting)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"waited")
        assert gateway.process.wait(30) == 0


def test_sigterm_ends_a_gateway_whose_handler_hangs(tmp_path: Path) -> None:
    with running(tmp_path, "--instances", "1", "--timeout", "1") as gateway:
        with gateway.connect() as connection:
            connection.sendall(b"GET /wait?/never HTTP/1.1\r\nHost: me\r\n\r\n")
            gateway.process.send_signal(signal.SIGTERM)
            assert read_to_end(connection).startswith(b"HTTP/1.1 503 ")
        assert gateway.process.wait(30) == 0
        assert gateway.log.read_text().endswith("stopped\n")


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        ("nothing", "does not name a handler"),
        ("no.such.module:handler", "cannot be imported: No module named"),
        ("tests.local.gateway_handler:nobody", "has no function nobody"),
    ],
)
def test_a_handler_that_is_not_there(handler: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "minilab_local.gateway.server", "--handler", handler],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert said in done.stderr
