"""What an HTTP request asks of IAM: actions, each on a resource, and what conditions may look at.

JSON and query requests name their action. Those of the REST protocols, S3 above all, are read by
moto's router and parser, which know them from botocore's models.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from minilab_local.iam.actions import NEEDS_NOTHING, PREFIXES, actions
from minilab_local.iam.policy import Context
from minilab_local.iam.resources import ANY, implied, touched

Question = tuple[str, str]
"""An action, and the ARN that it is done to."""

_S3_CONTROL = "/v20180820/"
_NAMES = {"monitoring": "cloudwatch"}
"""botocore's name of a service, where it signs by another one."""
_NAMESPACE = "cloudwatch:namespace="
# Bodies that are not read here: an object, or a document that does not say whose it is.
_READ_OF_S3 = frozenset({"DeleteObjects"})
# The workgroup that is meant when none is said
_PRIMARY = "primary"
_OF_A_WORKGROUP = ("QueryExecution", "QueryExecutions", "NamedQuery", "NamedQueries")


@dataclass(frozen=True)
class Asked:
    """All of ``questions`` must be allowed; ``context`` is by condition key."""

    questions: Sequence[Question]
    context: Context = field(default_factory=dict)


def asked_by(
    service: str, action: str, environ: Mapping[str, Any], *, region: str, account: str
) -> Asked:
    """What a request asks. ``service`` is its signing name, ``action`` empty where it is REST."""
    service = _NAMES.get(service, service)
    operation, params = (
        (action, _parameters(environ)) if action else _rest_operation(service, environ)
    )
    if (service, operation) in NEEDS_NOTHING:
        return Asked([])
    if service == "athena":
        if (group := _workgroup(operation, params, region, account)) is None:
            return Asked([])
        params = {**params, "WorkGroup": group}
    questions: list[Question] = []
    context: dict[str, str | list[str]] = {}
    for done, resource in touched(service, operation, params):
        if resource.startswith(_NAMESPACE):
            context["cloudwatch:namespace"] = resource.removeprefix(_NAMESPACE)
            resource = ANY
        arn = resource.replace(":*:*:", f":{region}:{account}:", 1)
        for name in _actions(service, done):
            questions += implied(name, arn)
    if service == "dynamodb" and (keys := _leading_keys(params, region, account)):
        context["dynamodb:leadingkeys"] = keys
    if operation.startswith("ListObject"):
        context["s3:prefix"] = params.get("Prefix") or ""
        context["s3:delimiter"] = params.get("Delimiter") or ""
    return Asked(list(dict.fromkeys(questions)), context)


def _actions(service: str, operation: str) -> Sequence[str]:
    if service in PREFIXES:
        return actions(service, operation)
    return (f"{service}:{operation}",)


def _parameters(environ: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters of a JSON or a query request; of the latter, those that are no structures."""
    body: bytes = environ["wsgi.input"].getvalue()
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}  # whoever answers will say so
    return document if isinstance(document, dict) else {}


def _rest_operation(service: str, environ: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """botocore's operation and its parameters; what no model knows is called by its method."""
    from botocore.exceptions import UnknownServiceError
    from moto.core.parse import PROTOCOL_PARSERS
    from moto.core.request import Request
    from moto.core.routing import get_service_router
    from werkzeug.exceptions import NotFound

    if service == "s3" and environ["PATH_INFO"].startswith(_S3_CONTROL):
        service = "s3control"
    request = Request(environ)  # type: ignore[arg-type]
    try:
        operation, from_path = get_service_router(service).match(request)
    except (NotFound, NotImplementedError, UnknownServiceError):
        return f"{request.method} {request.path}", {}
    reads_body = not service.startswith("s3") or operation.name in _READ_OF_S3
    parser = PROTOCOL_PARSERS[operation.service_model.protocol](operation)
    return operation.name, parser.parse(
        {
            "method": request.method,
            "values": request.args,
            "headers": request.headers,
            "body": environ["wsgi.input"].getvalue() if reads_body else b"",
            "url_path": request.path,
            "url_params": from_path,
        }
    )


def _workgroup(operation: str, params: Mapping[str, Any], region: str, account: str) -> str | None:
    """The workgroup that a call of Athena is about; "" where it is about none, and None where it
    names a query that is not there, which Athena itself will say."""
    from moto.athena.models import athena_backends

    if named := params.get("WorkGroup"):
        return str(named)
    if id := params.get("QueryExecutionId"):
        found = athena_backends[account][region].executions.get(id)
        return None if found is None else str(found.workgroup)
    return _PRIMARY if operation.endswith(_OF_A_WORKGROUP) else ""


def _leading_keys(params: Mapping[str, Any], region: str, account: str) -> list[str]:
    """The partition keys of the items that a call of DynamoDB names. Those that an expression
    names (Query, PartiQL) are not read."""
    from moto.dynamodb.models import dynamodb_backends

    tables = dynamodb_backends[account][region].tables
    found = []
    for name, item in _items(params):
        table = tables.get(name.rpartition(":table/")[2])
        key = item.get(table.hash_key_attr) if table is not None else None
        if isinstance(key, Mapping):
            found += [str(value) for value in key.values()]
    return found


def _items(params: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(table, item or key) of each item that the parameters hold."""
    requests = [request for each in params.get("TransactItems") or () for request in each.values()]
    for request in [params, *requests]:
        if "TableName" in request:
            yield request["TableName"], request.get("Key") or request.get("Item") or {}
    batch = params.get("RequestItems")
    for name, asked in batch.items() if isinstance(batch, Mapping) else ():
        if isinstance(asked, Mapping):
            yield from ((name, key) for key in asked.get("Keys") or ())
        else:
            for write in asked:
                for request in write.values():
                    yield name, request.get("Key") or request.get("Item") or {}
