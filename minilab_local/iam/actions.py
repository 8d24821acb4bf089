"""Which IAM actions a call needs. Source: Service Authorization Reference, one page a service.

Most operations are allowed by the action of their own name. The tables have those that are not.
"""

from __future__ import annotations

from collections.abc import Mapping

PREFIXES: Mapping[str, str] = {
    name: name
    for name in (
        *("athena", "cloudwatch", "dynamodb", "ec2", "ecs", "events", "glue", "iam"),
        *("kafka-cluster", "kinesis", "kms", "lakeformation", "lambda", "logs", "s3"),
        *("secretsmanager", "sns", "sqs", "ssm", "sts", "xray"),
    )
}
"""The prefix of a service's actions, by its name in botocore."""

NEEDS_NOTHING = frozenset({("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")})

_S3 = {
    # objects
    "HeadObject": ("GetObject",),
    "CopyObject": ("GetObject", "PutObject"),
    "CreateMultipartUpload": ("PutObject",),
    "UploadPart": ("PutObject",),
    "UploadPartCopy": ("GetObject", "PutObject"),
    "CompleteMultipartUpload": ("PutObject",),
    "ListParts": ("ListMultipartUploadParts",),
    "DeleteObjects": ("DeleteObject",),
    "SelectObjectContent": ("GetObject",),
    "GetObjectAttributes": ("GetObject", "GetObjectAttributes"),
    "GetObjectLockConfiguration": ("GetBucketObjectLockConfiguration",),
    "PutObjectLockConfiguration": ("PutBucketObjectLockConfiguration",),
    # buckets
    "HeadBucket": ("ListBucket",),
    "ListBuckets": ("ListAllMyBuckets",),
    "ListObjects": ("ListBucket",),
    "ListObjectsV2": ("ListBucket",),
    "ListObjectVersions": ("ListBucketVersions",),
    "ListMultipartUploads": ("ListBucketMultipartUploads",),
    **dict.fromkeys(("DeleteBucketCors", "PutBucketCors"), ("PutBucketCORS",)),
    "GetBucketCors": ("GetBucketCORS",),
    "DeleteBucketOwnershipControls": ("PutBucketOwnershipControls",),
    "DeleteBucketTagging": ("PutBucketTagging",),
    "DeletePublicAccessBlock": ("PutBucketPublicAccessBlock",),
    "GetPublicAccessBlock": ("GetBucketPublicAccessBlock",),
    "PutPublicAccessBlock": ("PutBucketPublicAccessBlock",),
    "GetBucketNotificationConfiguration": ("GetBucketNotification",),
    "PutBucketNotificationConfiguration": ("PutBucketNotification",),
    "GetBucketLifecycle": ("GetLifecycleConfiguration",),
    "PutBucketLifecycle": ("PutLifecycleConfiguration",),
    "DeleteBucketLifecycle": ("PutLifecycleConfiguration",),
    "GetBucketLifecycleConfiguration": ("GetLifecycleConfiguration",),
    "PutBucketLifecycleConfiguration": ("PutLifecycleConfiguration",),
    "GetBucketAccelerateConfiguration": ("GetAccelerateConfiguration",),
    "PutBucketAccelerateConfiguration": ("PutAccelerateConfiguration",),
    **{
        f"{verb}Bucket{what}": (f"{'Get' if verb == 'Get' else 'Put'}{action}Configuration",)
        for verb in ("Get", "Put", "Delete")
        for what, action in {
            "Encryption": "Encryption",
            "Replication": "Replication",
            "AnalyticsConfiguration": "Analytics",
            "IntelligentTieringConfiguration": "IntelligentTiering",
            "InventoryConfiguration": "Inventory",
            "MetricsConfiguration": "Metrics",
        }.items()
    },
    **{
        f"ListBucket{what}Configurations": (f"Get{what}Configuration",)
        for what in ("Analytics", "IntelligentTiering", "Inventory", "Metrics")
    },
}


_ACTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "s3": _S3,
    "sqs": {
        "ChangeMessageVisibilityBatch": ("ChangeMessageVisibility",),
        "DeleteMessageBatch": ("DeleteMessage",),
        "SendMessageBatch": ("SendMessage",),
    },
    "sns": {"PublishBatch": ("Publish",)},
    "dynamodb": {
        "TransactGetItems": ("GetItem",),
        # Each item of a transaction is recorded as what is done to it; this is all it may be.
        "TransactWriteItems": ("ConditionCheckItem", "DeleteItem", "PutItem", "UpdateItem"),
        **dict.fromkeys(
            ("BatchExecuteStatement", "ExecuteStatement", "ExecuteTransaction"),
            ("PartiQLDelete", "PartiQLInsert", "PartiQLSelect", "PartiQLUpdate"),
        ),
    },
    "kms": {"ReEncrypt": ("ReEncryptFrom", "ReEncryptTo")},
    "lambda": {
        "Invoke": ("InvokeFunction",),
        "InvokeAsync": ("InvokeFunction",),
        "InvokeWithResponseStream": ("InvokeFunction",),
    },
}


def actions(service: str, operation: str) -> tuple[str, ...]:
    """The IAM actions that must be allowed for ``operation`` of a service (botocore's names).

    Raises:
        KeyError: a service that this module does not know; add it to ``PREFIXES``.
    """
    prefix = PREFIXES[service]
    if (service, operation) in NEEDS_NOTHING:
        return ()
    names = _ACTIONS.get(service, {}).get(operation, (operation,))
    return tuple(f"{prefix}:{name}" for name in names)


PASSES_ROLES = frozenset({("ecs", "RunTask")})
"""Operations that hand roles to what they start (``iam:PassRole``). No parameter says which."""

_DECRYPT, _ENCRYPT, _BOTH = ("Decrypt",), ("GenerateDataKey",), ("Decrypt", "GenerateDataKey")

_KEY_ACTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "s3": {
        **dict.fromkeys(("GetObject", "GetObjectVersion", "HeadObject"), _DECRYPT),
        "PutObject": _ENCRYPT,
        # The parts are read again when they are put together.
        **dict.fromkeys(
            ("CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart", "UploadPartCopy"),
            _BOTH,
        ),
    },
    "sqs": {
        **dict.fromkeys(("SendMessage", "SendMessageBatch"), _BOTH),
        "ReceiveMessage": _DECRYPT,
    },
    "sns": dict.fromkeys(("Publish", "PublishBatch"), _BOTH),
    # Of a table only its own key is encrypted by ours: it is decrypted for whoever comes.
    "dynamodb": dict.fromkeys(
        (
            *("BatchGetItem", "BatchWriteItem", "ConditionCheckItem", "DeleteItem", "GetItem"),
            *("PutItem", "Query", "Scan", "UpdateItem"),
        ),
        _DECRYPT,
    ),
}


def key_actions(service: str, operation: str) -> tuple[str, ...]:
    """What ``operation`` needs of the key where that is a customer's own.

    Source: Amazon S3 User Guide, "Using server-side encryption with AWS KMS keys"; Amazon SQS
    Developer Guide, "Key management"; Amazon SNS Developer Guide, "Managing Amazon SNS encryption
    keys and costs"; Amazon DynamoDB Developer Guide, "DynamoDB encryption at rest: how it works".
    """
    names = _KEY_ACTIONS.get(service, {}).get(operation, ())
    return tuple(f"kms:{name}" for name in names)
