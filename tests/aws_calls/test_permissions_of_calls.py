"""From a call to what it touches and which IAM actions it needs, held against AWS's own lists.

The operations are botocore's. The actions are those of the Service Authorization Reference, in the
copy that parliament ships; it is older than botocore, so what it lacks is listed here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import botocore.session
import pytest

from minilab_local.iam.actions import PREFIXES, actions, key_actions
from tests.support.aws_calls.record import touched

PARLIAMENT = "parliament==1.6.4"


@pytest.fixture(scope="session")
def known_actions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Every IAM action by prefix."""
    folder = tmp_path_factory.mktemp("parliament")
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--no-deps", "--target", folder, PARLIAMENT],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"{PARLIAMENT} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    services = json.loads((folder / "parliament" / "iam_definition.json").read_text())
    known: dict[str, set[str]] = {}
    for service in services:
        known.setdefault(service["prefix"], set()).update(
            privilege["privilege"] for privilege in service["privileges"]
        )
    return known


S3 = "arn:aws:s3:::"


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        ("s3", "ListBuckets", {}, [("ListBuckets", "*")]),
        ("s3", "HeadBucket", {"Bucket": "b"}, [("HeadBucket", f"{S3}b")]),
        (
            "s3",
            "PutObject",
            {"Bucket": "b", "Key": "raw/stream=x/f.parquet"},
            [("PutObject", f"{S3}b/raw/*")],
        ),
        ("s3", "GetObject", {"Bucket": "b", "Key": "top"}, [("GetObject", f"{S3}b/top")]),
        (
            "s3",
            "GetObject",
            {"Bucket": "b", "Key": "a/b", "VersionId": "1"},
            [("GetObjectVersion", f"{S3}b/a/*")],
        ),
        (
            "s3",
            "PutObject",
            {"Bucket": "b", "Key": "a/b", "Tagging": "x=y"},
            [("PutObject", f"{S3}b/a/*"), ("PutObjectTagging", f"{S3}b/a/*")],
        ),
        (
            "s3",
            "CopyObject",
            {"Bucket": "to", "Key": "k/1", "CopySource": "from/a%20b/2?versionId=3"},
            [("GetObject", f"{S3}from/a b/*"), ("PutObject", f"{S3}to/k/*")],
        ),
        (
            "s3",
            "UploadPartCopy",
            {"Bucket": "to", "Key": "k/1", "CopySource": {"Bucket": "from", "Key": "x/2"}},
            [("GetObject", f"{S3}from/x/*"), ("PutObject", f"{S3}to/k/*")],
        ),
        (
            "s3",
            "DeleteObjects",
            {
                "Bucket": "b",
                "Delete": {"Objects": [{"Key": f"{folder}/1"} for folder in "xxy"]},
            },
            [("DeleteObject", f"{S3}b/x/*"), ("DeleteObject", f"{S3}b/y/*")],
        ),
        ("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "raw/x"}, [("ListObjectsV2", f"{S3}b")]),
        (
            "sqs",
            "SendMessageBatch",
            {"QueueUrl": "https://sqs.example/1/q.fifo", "Entries": []},
            [("SendMessageBatch", "arn:aws:sqs:*:*:q.fifo")],
        ),
        (
            "sqs",
            "GetQueueUrl",
            {"QueueName": "q"},
            [("GetQueueUrl", "arn:aws:sqs:*:*:q")],
        ),
        ("sqs", "ListQueues", {}, [("ListQueues", "*")]),
        (
            "dynamodb",
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"Put": {"TableName": "a"}},
                    {"Put": {"TableName": "a"}},
                    {"ConditionCheck": {"TableName": "b"}},
                ]
            },
            [
                ("PutItem", "arn:aws:dynamodb:*:*:table/a"),
                ("ConditionCheckItem", "arn:aws:dynamodb:*:*:table/b"),
            ],
        ),
        (
            "dynamodb",
            "BatchWriteItem",
            {"RequestItems": {"a": [], "b": []}},
            [
                ("BatchWriteItem", "arn:aws:dynamodb:*:*:table/a"),
                ("BatchWriteItem", "arn:aws:dynamodb:*:*:table/b"),
            ],
        ),
        (
            "dynamodb",
            "Query",
            {"TableName": "a", "IndexName": "i"},
            [("Query", "arn:aws:dynamodb:*:*:table/a/index/i")],
        ),
        (
            "dynamodb",
            "GetItem",
            {"TableName": "arn:aws:dynamodb:eu-central-1:111111111111:table/a"},
            [("GetItem", "arn:aws:dynamodb:*:*:table/a")],
        ),
        (
            "glue",
            "GetTable",
            {"DatabaseName": "d", "Name": "t"},
            [("GetTable", "arn:aws:glue:*:*:table/d/t")],
        ),
        (
            "glue",
            "CreateTable",
            {"DatabaseName": "d", "TableInput": {"Name": "t"}},
            [("CreateTable", "arn:aws:glue:*:*:table/d/t")],
        ),
        (
            "glue",
            "BatchCreatePartition",
            {"DatabaseName": "d", "TableName": "t"},
            [("BatchCreatePartition", "arn:aws:glue:*:*:table/d/t")],
        ),
        ("glue", "GetTables", {"DatabaseName": "d"}, [("GetTables", "arn:aws:glue:*:*:table/d/*")]),
        ("glue", "GetDatabase", {"Name": "d"}, [("GetDatabase", "arn:aws:glue:*:*:database/d")]),
        ("glue", "GetDatabases", {}, [("GetDatabases", "arn:aws:glue:*:*:catalog")]),
        (
            "athena",
            "StartQueryExecution",
            {"WorkGroup": "w", "QueryString": "select 1"},
            [("StartQueryExecution", "arn:aws:athena:*:*:workgroup/w")],
        ),
        ("athena", "GetQueryExecution", {"QueryExecutionId": "1"}, [("GetQueryExecution", "*")]),
        (
            "cloudwatch",
            "PutMetricData",
            {"Namespace": "Minilab"},
            [("PutMetricData", "cloudwatch:namespace=Minilab")],
        ),
        ("sns", "Publish", {"TopicArn": "arn:aws:sns:r:1:t"}, [("Publish", "arn:aws:sns:*:*:t")]),
        (
            "ecs",
            "RunTask",
            {
                "cluster": "arn:aws:ecs:r:1:cluster/c",
                "taskDefinition": "t:1",
                "tags": [{"key": "a"}],
            },
            [
                ("RunTask", "arn:aws:ecs:*:*:task-definition/t:1"),
                ("TagResource", "arn:aws:ecs:*:*:task/c/*"),
            ],
        ),
        (
            "ecs",
            "StopTask",
            {"cluster": "c", "task": "arn:aws:ecs:r:1:task/c/1"},
            [("StopTask", "arn:aws:ecs:*:*:task/c/*")],
        ),
        (
            "ecs",
            "DescribeTaskDefinition",
            {"taskDefinition": "t"},
            [("DescribeTaskDefinition", "*")],
        ),
        (
            "logs",
            "GetLogEvents",
            {"logGroupName": "/g", "logStreamName": "a/b"},
            [("GetLogEvents", "arn:aws:logs:*:*:log-group:/g:log-stream:*")],
        ),
        ("sts", "GetCallerIdentity", {}, [("GetCallerIdentity", "*")]),
        ("xray", "GetSamplingRules", {}, [("GetSamplingRules", "*")]),
    ],
)
def test_what_a_call_touches(
    service: str, operation: str, params: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    model = botocore.session.get_session().get_service_model(service)
    members = model.operation_model(operation).input_shape.members
    assert params.keys() <= members.keys(), "the example is no call of this operation"
    assert touched(service, operation, params) == expected


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("s3", "HeadObject", {"s3:GetObject"}),
        ("s3", "ListObjectsV2", {"s3:ListBucket"}),
        ("s3", "UploadPart", {"s3:PutObject"}),
        ("s3", "DeleteBucketEncryption", {"s3:PutEncryptionConfiguration"}),
        ("sqs", "SendMessageBatch", {"sqs:SendMessage"}),
        ("sqs", "ReceiveMessage", {"sqs:ReceiveMessage"}),
        ("dynamodb", "BatchWriteItem", {"dynamodb:BatchWriteItem"}),
        ("dynamodb", "TransactGetItems", {"dynamodb:GetItem"}),
        ("lambda", "Invoke", {"lambda:InvokeFunction"}),
        ("sts", "GetCallerIdentity", set()),
        ("kafka-cluster", "WriteData", {"kafka-cluster:WriteData"}),
    ],
)
def test_the_actions_of_an_operation(service: str, operation: str, expected: set[str]) -> None:
    assert set(actions(service, operation)) == expected


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("s3", "PutObject", {"kms:GenerateDataKey"}),
        ("s3", "CompleteMultipartUpload", {"kms:Decrypt", "kms:GenerateDataKey"}),
        ("s3", "ListObjectsV2", set()),
        ("sqs", "ReceiveMessage", {"kms:Decrypt"}),
        ("sqs", "SendMessageBatch", {"kms:Decrypt", "kms:GenerateDataKey"}),
        ("dynamodb", "UpdateItem", {"kms:Decrypt"}),
        ("glue", "GetTable", set()),
    ],
)
def test_what_an_operation_needs_of_a_key(service: str, operation: str, expected: set[str]) -> None:
    assert set(key_actions(service, operation)) == expected


def test_a_service_without_a_rule_is_an_error() -> None:
    with pytest.raises(KeyError, match="polly"):
        actions("polly", "SynthesizeSpeech")


# Of these services every operation was gone through; of the others, those newer than the database
# are allowed by the action of their own name, which it cannot confirm.
COMPLETE = ("s3", "sqs", "sns", "dynamodb", "sts", "xray", "events")
NOT_IN_THE_DATABASE = {
    "s3": {
        *(
            "CreateBucketMetadataConfiguration",
            "CreateSession",
            "DeleteBucketMetadataConfiguration",
        ),
        *("DeleteObjectAnnotation", "GetBucketAbac", "GetBucketMetadataConfiguration"),
        *("GetObjectAnnotation", "ListDirectoryBuckets", "ListObjectAnnotations", "PutBucketAbac"),
        *("PutObjectAnnotation", "RenameObject", "UpdateObjectEncryption"),
        "UpdateBucketMetadataAnnotationTableConfiguration",
        "UpdateBucketMetadataInventoryTableConfiguration",
        "UpdateBucketMetadataJournalTableConfiguration",
        "WriteGetObjectResponse",  # its action is s3-object-lambda's
    },
    "dynamodb": {
        *("CancelBulkOperation", "DescribeBulkOperation", "ListBulkOperations", "SearchVectors"),
        "StartBulkPutItems",
    },
    "sts": {"GetDelegatedAccessToken", "GetWebIdentityToken"},
}


@pytest.mark.parametrize("service", COMPLETE)
def test_every_operation_has_actions_that_exist(
    service: str, known_actions: dict[str, set[str]]
) -> None:
    known = known_actions[PREFIXES[service]]
    operations = botocore.session.get_session().get_service_model(service).operation_names
    unknown = {
        operation
        for operation in operations
        for action in actions(service, operation)
        if action.partition(":")[2] not in known
    }
    assert unknown == NOT_IN_THE_DATABASE.get(service, set())


@pytest.mark.parametrize(
    ("service", "operations"),
    [
        ("athena", ["StartQueryExecution", "GetQueryExecution", "GetQueryResults", "GetWorkGroup"]),
        ("athena", ["StopQueryExecution", "BatchGetQueryExecution", "ListDataCatalogs"]),
        ("glue", ["GetDatabase", "GetDatabases", "GetTable", "GetTables", "CreateTable"]),
        ("glue", ["UpdateTable", "DeleteTable", "GetTableVersions", "BatchDeleteTableVersion"]),
        ("glue", ["BatchCreatePartition", "GetPartition", "GetPartitions", "BatchDeletePartition"]),
        ("cloudwatch", ["PutMetricData", "GetMetricData"]),
        ("ecs", ["RunTask", "DescribeTasks", "StopTask", "RegisterTaskDefinition"]),
        ("ecs", ["DescribeTaskDefinition", "ListTagsForResource"]),
        ("secretsmanager", ["GetSecretValue", "ListSecrets"]),
        ("lakeformation", ["GetDataAccess", "GetDataLakeSettings"]),
        ("kms", ["Decrypt", "GenerateDataKey", "ReEncrypt"]),
        ("logs", ["GetLogEvents", "PutLogEvents"]),
        ("kinesis", ["PutRecords"]),
        ("lambda", ["Invoke"]),
        ("ssm", ["GetParameter"]),
        ("kafka-cluster", ["Connect", "DescribeTopic", "WriteData", "WriteDataIdempotently"]),
        ("kafka-cluster", ["ReadData", "DescribeGroup", "AlterGroup"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_what_the_platform_may_use_has_actions_that_exist(
    service: str, operations: list[str], known_actions: dict[str, set[str]]
) -> None:
    needed = {action for operation in operations for action in actions(service, operation)}
    assert needed <= {f"{PREFIXES[service]}:{name}" for name in known_actions[PREFIXES[service]]}
