"""The endpoint itself: connections, errors, what moto lacks."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError


def test_one_connection_carries_many_requests(stack: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(urlsplit(stack["AWS_ENDPOINT_URL"]).netloc, timeout=10)
    connection.connect()
    socket_of_first = connection.sock
    for _ in range(3):
        connection.request("GET", "/_minilab/health")
        response = connection.getresponse()
        assert (response.status, response.version) == (200, 11)
        response.read()
        assert connection.sock is socket_of_first
    connection.close()


def test_an_unread_body_does_not_put_the_connection_out_of_step(stack: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(urlsplit(stack["AWS_ENDPOINT_URL"]).netloc, timeout=10)
    connection.request("POST", "/_minilab/health", body=b"GET /nothing HTTP/1.1\r\n\r\n" * 50)
    first = connection.getresponse()
    first.read()
    connection.request("GET", "/_minilab/health")
    second = connection.getresponse()
    assert second.read() == b'{"status": "ok"}'
    connection.close()


def test_a_chunked_body_arrives_whole(
    stack: dict[str, str], aws_client: Callable[[str], Any]
) -> None:
    s3 = aws_client("s3")
    s3.create_bucket(Bucket="chunked-bodies")
    url = s3.generate_presigned_url("put_object", {"Bucket": "chunked-bodies", "Key": "k"})
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request(
        "PUT",
        f"{parts.path}?{parts.query}",
        body=iter([b"one ", b"two ", b"three"]),
        headers={"Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )
    assert connection.getresponse().status == 200
    connection.close()
    assert s3.get_object(Bucket="chunked-bodies", Key="k")["Body"].read() == b"one two three"


def test_what_is_not_http_is_refused(stack: dict[str, str]) -> None:
    import socket

    address = urlsplit(stack["AWS_ENDPOINT_URL"])
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(b"hello\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("service", "method", "arguments"),
    [
        ("glue", "get_user_defined_functions", {"DatabaseName": "d", "Pattern": "*"}),
        ("cloudwatch", "describe_anomaly_detectors", {}),
        ("wellarchitected", "list_workloads", {}),  # not even the service is there
        ("s3", "list_bucket_analytics_configurations", {"Bucket": "any"}),
    ],
)
def test_what_moto_lacks_is_501_and_not_retried(
    aws_client: Callable[[str], Any], service: str, method: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as raised:
        getattr(aws_client(service), method)(**arguments)
    response = raised.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert response["ResponseMetadata"]["RetryAttempts"] == 0
    assert response["Error"]["Code"] == "NotImplemented"
    assert "does not have it" in response["Error"]["Message"]
