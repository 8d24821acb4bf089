"""From an HTTP request, as botocore writes it, to what IAM is asked."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest

from minilab_local.aws.app import Call
from minilab_local.iam.questions import Asked, asked_by

ACCOUNT, REGION = "123456789012", "eu-west-1"


def environ_of(request: AWSPreparedRequest) -> dict[str, Any]:
    """As the laptop's HTTP server makes it."""
    url = urlsplit(request.url)
    target = url.path + (f"?{url.query}" if url.query else "")
    body = request.body or b""
    if not isinstance(body, bytes):
        body = body.encode() if isinstance(body, str) else body.read()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(url.path),
        "RAW_URI": target,
        "QUERY_STRING": url.query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        environ[key] = value.decode() if isinstance(value, bytes) else value
    return environ


def ask(service: str, method: str, **params: Any) -> Asked:
    """What the call of a boto3 client, which is never sent, asks."""
    client = boto3.client(
        service,
        region_name=REGION,
        endpoint_url="http://127.0.0.1:80",
        aws_access_key_id="AKIAXXXXXXXXXXXXXXXX",
        aws_secret_access_key="x",
    )
    seen: list[AWSPreparedRequest] = []

    class Stop(Exception):
        pass

    def catch(request: AWSPreparedRequest, **_: Any) -> None:
        seen.append(request)
        raise Stop

    client.meta.events.register("before-send", catch)
    with pytest.raises(Stop):
        getattr(client, method)(**params)
    environ = environ_of(seen[0])
    call = Call.of(environ)
    return asked_by(call.service, call.action, environ, region=REGION, account=ACCOUNT)


def arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


S3 = "arn:aws:s3:::"
QUEUE = f"http://127.0.0.1:80/{ACCOUNT}/minilab-dev-ingest.fifo"
TABLE = [
    ("glue:GetTable", arn("glue", "table/d/t")),
    ("glue:GetTable", arn("glue", "catalog")),
    ("glue:GetTable", arn("glue", "database/d")),
]


@pytest.mark.parametrize(
    ("service", "method", "params", "expected"),
    [
        # JSON
        (
            "sqs",
            "send_message",
            {"QueueUrl": QUEUE, "MessageBody": "x"},
            [("sqs:SendMessage", arn("sqs", "minilab-dev-ingest.fifo"))],
        ),
        ("sqs", "get_queue_url", {"QueueName": "q"}, [("sqs:GetQueueUrl", arn("sqs", "q"))]),
        ("sqs", "list_queues", {}, [("sqs:ListQueues", "*")]),
        (
            "dynamodb",
            "get_item",
            {"TableName": "t", "Key": {"k": {"S": "v"}}},
            [("dynamodb:GetItem", arn("dynamodb", "table/t"))],
        ),
        (
            "dynamodb",
            "transact_write_items",
            {
                "TransactItems": [
                    {"Delete": {"TableName": "a", "Key": {"k": {"S": "v"}}}},
                    {"Put": {"TableName": "b", "Item": {"k": {"S": "v"}}}},
                ]
            },
            [
                ("dynamodb:DeleteItem", arn("dynamodb", "table/a")),
                ("dynamodb:PutItem", arn("dynamodb", "table/b")),
            ],
        ),
        ("glue", "get_table", {"DatabaseName": "d", "Name": "t"}, TABLE),
        (
            "athena",
            "start_query_execution",
            {"QueryString": "select 1"},
            [("athena:StartQueryExecution", arn("athena", "workgroup/primary"))],
        ),
        (
            "athena",
            "start_query_execution",
            {"QueryString": "select 1", "WorkGroup": "w"},
            [("athena:StartQueryExecution", arn("athena", "workgroup/w"))],
        ),
        # a query that is not there: Athena says so
        ("athena", "get_query_execution", {"QueryExecutionId": "x"}, []),
        ("athena", "list_data_catalogs", {}, [("athena:ListDataCatalogs", "*")]),
        # query
        (
            "sns",
            "publish",
            {"TopicArn": arn("sns", "t"), "Message": "x"},
            [("sns:Publish", arn("sns", "t"))],
        ),
        (
            "sts",
            "assume_role",
            {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "RoleSessionName": "me"},
            [("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/r")],
        ),
        ("sts", "get_caller_identity", {}, []),
        ("iam", "list_roles", {}, [("iam:ListRoles", "*")]),
        # REST
        ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
        ("s3", "get_object", {"Bucket": "b", "Key": "a/b c"}, [("s3:GetObject", f"{S3}b/a/b c")]),
        ("s3", "head_object", {"Bucket": "b", "Key": "k"}, [("s3:GetObject", f"{S3}b/k")]),
        ("s3", "head_bucket", {"Bucket": "b"}, [("s3:ListBucket", f"{S3}b")]),
        (
            "s3",
            "get_object",
            {"Bucket": "b", "Key": "k", "VersionId": "1"},
            [("s3:GetObjectVersion", f"{S3}b/k")],
        ),
        (
            "s3",
            "put_object",
            {"Bucket": "b", "Key": "raw/x", "Body": b"<not>xml", "Tagging": "a=b"},
            [("s3:PutObject", f"{S3}b/raw/x"), ("s3:PutObjectTagging", f"{S3}b/raw/x")],
        ),
        (
            "s3",
            "copy_object",
            {"Bucket": "to", "Key": "k", "CopySource": {"Bucket": "from", "Key": "a/ä"}},
            [("s3:GetObject", f"{S3}from/a/ä"), ("s3:PutObject", f"{S3}to/k")],
        ),
        (
            "s3",
            "upload_part",
            {"Bucket": "b", "Key": "k", "PartNumber": 1, "UploadId": "u", "Body": b"x"},
            [("s3:PutObject", f"{S3}b/k")],
        ),
        (
            "s3",
            "list_parts",
            {"Bucket": "b", "Key": "k", "UploadId": "u"},
            [("s3:ListMultipartUploadParts", f"{S3}b/k")],
        ),
        (
            "s3",
            "delete_objects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "x/1"}, {"Key": "y/2"}]}},
            [("s3:DeleteObject", f"{S3}b/x/1"), ("s3:DeleteObject", f"{S3}b/y/2")],
        ),
        ("s3", "get_bucket_location", {"Bucket": "b"}, [("s3:GetBucketLocation", f"{S3}b")]),
        ("s3", "create_bucket", {"Bucket": "b"}, [("s3:CreateBucket", f"{S3}b")]),
        (
            "s3",
            "put_bucket_tagging",
            {"Bucket": "b", "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}},
            [("s3:PutBucketTagging", f"{S3}b")],
        ),
        (
            "lambda",
            "invoke",
            {"FunctionName": "f", "Payload": b"{}"},
            [("lambda:InvokeFunction", arn("lambda", "function:f"))],
        ),
        (
            "xray",
            "put_trace_segments",
            {"TraceSegmentDocuments": ["x"]},
            [("xray:PutTraceSegments", "*")],
        ),
    ],
)
def test_what_a_call_asks(
    service: str, method: str, params: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert list(ask(service, method, **params).questions) == expected


def test_what_conditions_may_look_at() -> None:
    listed = ask("s3", "list_objects_v2", Bucket="b", Prefix="raw/", Delimiter="/")
    assert list(listed.questions) == [("s3:ListBucket", f"{S3}b")]
    assert listed.context == {"s3:prefix": "raw/", "s3:delimiter": "/"}
    data = [{"MetricName": "m", "Value": 1.0}]
    metric = ask("cloudwatch", "put_metric_data", Namespace="Minilab", MetricData=data)
    assert list(metric.questions) == [("cloudwatch:PutMetricData", "*")]
    assert metric.context == {"cloudwatch:namespace": "Minilab"}


def test_a_request_that_no_model_knows_is_asked_about_all_the_same() -> None:
    environ = environ_of(ask_nothing("PATCH", "/bucket/key"))
    asked = asked_by("s3", "", environ, region=REGION, account=ACCOUNT)
    assert list(asked.questions) == [("s3:PATCH /bucket/key", "*")]


def ask_nothing(method: str, path: str) -> AWSPreparedRequest:
    return AWSPreparedRequest(method, f"http://127.0.0.1:80{path}", {}, b"", False)
