"""What a call does, and to what: as far as its parameters say it, in the form of ARNs.

Region and account are ``*``, since parameters do not have them.

A call may stand for several operations: CopyObject reads one object and writes another, and
TransactWriteItems is whatever items it has. Source: Service Authorization Reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

Params = Mapping[str, Any]
Touch = tuple[str, str]
"""An operation, and the ARN of what it is done to; ``*`` where no parameter says that."""

Describe = Callable[[str, Params], Iterator[Touch]]

ANY = "*"


def touched(service: str, operation: str, params: Params) -> list[Touch]:
    """Every operation that a call stands for, without repetitions."""
    describe = _DESCRIBE.get(service)
    if describe is None:
        return [(operation, ANY)]
    return list(dict.fromkeys(describe(operation, params))) or [(operation, ANY)]


def implied(action: str, arn: str) -> Iterator[Touch]:
    """The permission itself, and for a Glue table those on its database and its catalog, which it
    implies (AWS Glue Developer Guide, "Specifying AWS Glue resource ARNs")."""
    yield action, arn
    beginning, _, rest = arn.partition(":table/" if ":table/" in arn else ":database/")
    if action.startswith("glue:") and rest:
        yield action, f"{beginning}:catalog"
        if ":table/" in arn:
            yield action, f"{beginning}:database/{rest.partition('/')[0]}"


def _arn(service: str, name: str, kind: str = "") -> str:
    """A resource by its name, or by its ARN."""
    return name if name.startswith("arn:") else f"arn:aws:{service}:*:*:{kind}{name}"


def s3_object(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}/{key}"


def _s3(operation: str, params: Params) -> Iterator[Touch]:
    bucket = params.get("Bucket")
    if bucket is None:
        yield operation, ANY
        return
    bucket = bucket.removeprefix("arn:aws:s3:::")
    here = s3_object(bucket, params["Key"]) if "Key" in params else f"arn:aws:s3:::{bucket}"
    if operation in ("CopyObject", "UploadPartCopy"):
        yield "GetObject", _copy_source(params["CopySource"])
        yield "PutObject", here
    elif operation == "DeleteObjects":
        for each in params["Delete"]["Objects"]:
            version = "DeleteObjectVersion" if each.get("VersionId") else "DeleteObject"
            yield version, s3_object(bucket, each["Key"])
    elif operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions"):
        # The prefix is a condition of the permission (s3:prefix), its resource is the bucket.
        yield operation, f"arn:aws:s3:::{bucket}"
    elif params.get("VersionId") and operation in _OF_A_VERSION:
        yield _OF_A_VERSION[operation], here
    else:
        yield operation, here
    if operation in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        for parameter, also in _WITH_AN_OBJECT.items():
            if params.get(parameter):
                yield also, here


_OF_A_VERSION = {
    "GetObject": "GetObjectVersion",
    "HeadObject": "GetObjectVersion",
    "DeleteObject": "DeleteObjectVersion",
}
_WITH_AN_OBJECT = {
    "ACL": "PutObjectAcl",
    "Tagging": "PutObjectTagging",
    "ObjectLockMode": "PutObjectRetention",
    "ObjectLockLegalHoldStatus": "PutObjectLegalHold",
}


def _copy_source(source: str | Mapping[str, str]) -> str:
    if isinstance(source, Mapping):
        return s3_object(source["Bucket"], source["Key"])
    bucket, _, key = unquote(source.partition("?")[0]).lstrip("/").partition("/")
    return s3_object(bucket, key)


def _sqs(operation: str, params: Params) -> Iterator[Touch]:
    name = params.get("QueueName") or str(params.get("QueueUrl", "")).rpartition("/")[2]
    yield operation, _arn("sqs", name) if name else ANY


_ITEMS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}


def _dynamodb(operation: str, params: Params) -> Iterator[Touch]:
    if "TransactItems" in params:
        for item in params["TransactItems"]:
            for kind, request in item.items():
                yield _ITEMS[kind], _table(request["TableName"])
    elif isinstance(params.get("RequestItems"), Mapping):
        for table in params["RequestItems"]:
            yield operation, _table(table)
    elif "TableName" in params:
        index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
        yield operation, _table(params["TableName"], index)


def _table(name: str, index: str = "") -> str:
    """A table of another account is called by its ARN."""
    return _arn("dynamodb", f"table/{name.rpartition(':table/')[2]}{index}")


def _glue(operation: str, params: Params) -> Iterator[Touch]:
    if operation.endswith(("Database", "Databases")):
        database = params.get("Name") or params.get("DatabaseInput", {}).get("Name")
        yield operation, _arn("glue", f"database/{database}" if database else "catalog")
    elif database := params.get("DatabaseName"):
        table = params.get("TableName") or params.get("TableInput", {}).get("Name")
        if operation in ("GetTable", "DeleteTable"):
            table = params.get("Name")
        yield operation, _arn("glue", f"table/{database}/{table or '*'}")


def _athena(operation: str, params: Params) -> Iterator[Touch]:
    """Permissions on a query execution are those on its workgroup, which its id does not say."""
    group = params.get("WorkGroup") or (params.get("Name") if "WorkGroup" in operation else None)
    catalog = params.get("CatalogName") or (params.get("Name") if "Catalog" in operation else None)
    if group:
        yield operation, _arn("athena", f"workgroup/{group}")
    if catalog:
        yield operation, _arn("athena", f"datacatalog/{catalog}")


def _named(
    service: str, parameter: str, kind: str = ""
) -> Callable[[str, Params], Iterator[Touch]]:
    def describe(operation: str, params: Params) -> Iterator[Touch]:
        if name := params.get(parameter):
            yield operation, _arn(service, name, kind)

    return describe


def _ecs(operation: str, params: Params) -> Iterator[Touch]:
    """Tasks are named by their cluster: permissions are not given by the task."""
    tasks = f"task/{params.get('cluster', '*').rpartition('/')[2]}/*"
    if operation == "DescribeTaskDefinition":  # has no resource
        return
    if definition := params.get("taskDefinition"):
        yield operation, _arn("ecs", definition, "task-definition/")
    elif "task" in params or "tasks" in params:
        yield operation, _arn("ecs", tasks)
    if operation == "RunTask" and params.get("tags"):
        yield "TagResource", _arn("ecs", tasks)


def _logs(operation: str, params: Params) -> Iterator[Touch]:
    if group := params.get("logGroupName"):
        streams = ":log-stream:*" if "logStreamName" in params else ""
        yield operation, _arn("logs", f"log-group:{group}{streams}")


def _cloudwatch(operation: str, params: Params) -> Iterator[Touch]:
    """Metrics have no ARN: their namespace is a condition of the permission."""
    if namespace := params.get("Namespace"):
        yield operation, f"cloudwatch:namespace={namespace}"


_DESCRIBE: Mapping[str, Describe] = {
    "athena": _athena,
    "cloudwatch": _cloudwatch,
    "dynamodb": _dynamodb,
    "ecs": _ecs,
    "events": _named("events", "EventBusName", "event-bus/"),
    "glue": _glue,
    "kinesis": _named("kinesis", "StreamName", "stream/"),
    "lambda": _named("lambda", "FunctionName", "function:"),
    "logs": _logs,
    "s3": _s3,
    "secretsmanager": _named("secretsmanager", "SecretId", "secret:"),
    "sns": _named("sns", "TopicArn"),
    "sqs": _sqs,
    "ssm": _named("ssm", "Name", "parameter/"),
    "sts": _named("sts", "RoleArn"),
}
