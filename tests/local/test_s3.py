"""S3 over the endpoint: bytes as files, ranges, listings, conditional writes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from minilab_local.aws.s3 import IndexedKeys, page

PART = 5 * 1024 * 1024


@pytest.fixture
def s3(aws_client: Callable[[str], Any]) -> Any:
    return aws_client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"b-{uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


def read(s3: Any, bucket: str, key: str, **more: Any) -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read())


def test_what_was_put_comes_back(s3: Any, bucket: str) -> None:
    body = b"\x00\xff" * 1000
    put = s3.put_object(
        Bucket=bucket,
        Key="a b/ü+%.bin",
        Body=body,
        ContentType="application/x-parquet",
        ContentEncoding="zstd",
        CacheControl="no-cache",
        Metadata={"under_score": "1", "da-sh": "2"},
    )
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="a b/ü+%.bin")
    assert got["Body"].read() == body
    assert got["ContentLength"] == len(body)
    assert got["ETag"] == put["ETag"]
    assert got["ContentType"] == "application/x-parquet"
    assert got["ContentEncoding"] == "zstd"
    assert got["CacheControl"] == "no-cache"
    assert got["Metadata"] == {"under_score": "1", "da-sh": "2"}
    head = s3.head_object(Bucket=bucket, Key="a b/ü+%.bin")
    assert (head["ContentLength"], head["ETag"]) == (len(body), put["ETag"])


def test_the_bytes_lie_in_a_plain_file(s3: Any, bucket: str, stack_home: Path) -> None:
    body = uuid4().bytes * 100
    s3.put_object(Bucket=bucket, Key="raw/part.parquet", Body=body)
    [file] = (stack_home / "objects" / bucket).rglob("*part.parquet")
    assert file.read_bytes() == body


@pytest.mark.parametrize(
    ("wanted", "expected", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
        ("bytes=-100", b"0123456789", "bytes 0-9/10"),
    ],
)
def test_ranges(s3: Any, bucket: str, wanted: str, expected: bytes, content_range: str) -> None:
    s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="digits", Range=wanted)
    assert got["Body"].read() == expected
    assert got["ContentRange"] == content_range
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    head = s3.head_object(Bucket=bucket, Key="digits", Range=wanted)
    assert head["ContentLength"] == len(expected)


def test_a_range_beyond_the_end(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")
    with pytest.raises(ClientError) as raised:
        read(s3, bucket, "digits", Range="bytes=10-")
    assert raised.value.response["Error"]["Code"] == "InvalidRange"


def test_a_large_object_in_parts(s3: Any, bucket: str) -> None:
    body = bytes(range(256)) * (3 * PART // 256) + b"tail"
    s3.upload_fileobj(io.BytesIO(body), bucket, "large")
    assert read(s3, bucket, "large") == body
    assert read(s3, bucket, "large", Range=f"bytes={PART}-{PART + 9}") == body[PART : PART + 10]
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-2"')
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_conditional_writes(s3: Any, bucket: str) -> None:
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=first)
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=bucket, Key="k", Body=b"4", IfMatch=first)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert read(s3, bucket, "k") == b"3"


def test_errors_are_s3s_own(s3: Any, bucket: str) -> None:
    with pytest.raises(s3.exceptions.NoSuchKey):
        read(s3, bucket, "missing")
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.put_object(Bucket=f"{bucket}-not", Key="k", Body=b"")
    with pytest.raises(ClientError) as raised:
        s3.head_object(Bucket=bucket, Key="missing")
    assert raised.value.response["Error"]["Code"] == "404"
    s3.delete_object(Bucket=bucket, Key="missing")  # no error, as on S3


def test_listing_with_a_delimiter_page_by_page(s3: Any, bucket: str) -> None:
    keys = ["a/1", "a/2", "b c", "d/1/x", "d/2", "e&<", "ü"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    everything = s3.list_objects_v2(Bucket=bucket)
    assert [o["Key"] for o in everything["Contents"]] == keys
    for size in (1, 2, 3, 100):
        found: list[str] = []
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}
        )
        for one in pages:
            assert one["KeyCount"] <= size
            found += [o["Key"] for o in one.get("Contents", [])]
            found += [p["Prefix"] for p in one.get("CommonPrefixes", [])]
        assert sorted(found) == ["a/", "b c", "d/", "e&<", "ü"]
    assert [
        o["Key"]
        for o in s3.list_objects_v2(Bucket=bucket, Prefix="a/", StartAfter="a/1")["Contents"]
    ] == ["a/2"]
    old = s3.list_objects(Bucket=bucket, Prefix="d/", Delimiter="/")  # version 1, through moto
    assert [o["Key"] for o in old["Contents"]] == ["d/2"]
    assert [p["Prefix"] for p in old["CommonPrefixes"]] == ["d/1/"]


def test_a_prefix_may_be_called_as_a_sub_resource_is(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="metrics", Body=b"x")
    assert s3.list_objects_v2(Bucket=bucket, Prefix="metrics")["KeyCount"] == 1
    with pytest.raises(ClientError) as raised:
        s3.list_bucket_metrics_configurations(Bucket=bucket)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


class Reads(list[str]):
    """A list that counts which of its items were looked at."""

    count = 0

    def __getitem__(self, index: Any) -> Any:
        self.count += 1
        return super().__getitem__(index)


def test_a_listing_looks_only_below_its_prefix() -> None:
    keys = IndexedKeys({f"other/{n:06d}": [None] for n in range(50_000)})
    for n in range(5):
        keys.restore(f"wanted/{n}", [None])
    keys.names = names = Reads(keys.names)
    page(keys, "wanted/", "", "", 1000)
    beside_bisection = names.count
    names.count = 0
    assert page(keys, "", "/", "", 1000).folders == ["other/", "wanted/"]
    assert beside_bisection < 60
    assert names.count < 120  # 50,000 names of one folder are jumped over
