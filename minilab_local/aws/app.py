"""The WSGI application behind the one endpoint: finds out who is called, and lets moto answer.

moto answers an action that it does not know with an HTML page and status 500, which every AWS
client retries. Here it is 501 with an error in the client's own protocol, so that the client
stops at once and shows what is missing.
"""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4
from xml.sax.saxutils import escape

import moto.settings
from moto.backend_index import backend_url_patterns
from moto.iam.models import get_account_id_from

from minilab_local.aws import dynamodb, s3, sqs
from minilab_local.aws.http import DENIALS_PATH, HEALTH_PATH
from minilab_local.aws.state import State
from minilab_local.iam.guard import AccessDenied, Guard, UnknownCaller
from minilab_local.iam.questions import asked_by

log = logging.getLogger(__name__)
access_log = logging.getLogger("minilab_local.access")

# "Credential=<access key>/<date>/<region>/<service>/aws4_request" (AWS Signature Version 4)
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/aws4_request")
_CREDENTIAL_IN_QUERY = re.compile(r"X-Amz-Credential=([^&]+)")
# S3's older presigned addresses (Signature Version 2), which boto3 still makes
_ACCESS_KEY_IN_QUERY = re.compile(r"(?:^|&)AWSAccessKeyId=([^&]+)")


_AWS_JSON = "application/x-amz-json"
_S3_CONTROL = "/v20180820/"
_MOTO_API = "/moto-api"

# How a refusal is called: by S3, by the query protocol, by the JSON protocols.
_DENIED = ("AccessDenied", "AccessDenied", "AccessDeniedException")
_UNKNOWN = ("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException")
# JSON services that were query services once say the old code too (Smithy, "awsQueryCompatible").
_QUERY_COMPATIBLE = {
    "AccessDeniedException": "AccessDenied",
    "UnrecognizedClientException": "InvalidClientTokenId",
}

_READS = re.compile(
    r"(Get|List|Describe|BatchGet|Head|Search|Query|Scan|TransactGet|Select|Filter|Lookup|Check"
    r"|Test|Validate|Estimate|Simulate|Preview)"
)

# Actions that do something elsewhere instead of changing what their service knows. To carry them
# out again after a crash would do it twice; and they may call this very endpoint, so they must
# not hold a lock.
_ONLY_DOES = {
    "athena": ("StartQueryExecution", "StopQueryExecution", "StartSession", "StopSession"),
    "events": ("PutEvents",),
    "sns": ("Publish", "PublishBatch"),
    "states": ("StartExecution", "StartSyncExecution", "StopExecution"),
    "lambda": ("Invoke",),
    "firehose": ("PutRecord", "PutRecordBatch"),
}


@dataclass(frozen=True)
class Call:
    """Which action of which service a request asks for, as far as its head tells.

    ``service`` is the signing name (``"s3"``, ``"sqs"`` …); a request without a signature is S3's,
    as moto has it. ``action`` is "" for the services that speak REST.
    """

    service: str
    action: str
    region: str
    access_key: str

    def changes_something(self, method: str, path: str) -> bool:
        """Whether the call may change what must be kept (see ``minilab_local.aws.state``)."""
        if not self.action:
            return method not in ("GET", "HEAD", "OPTIONS") and not path.endswith("/invocations")
        if self.action in _ONLY_DOES.get(self.service, ()):
            return False
        return not _READS.match(self.action)

    @classmethod
    def of(cls, environ: dict[str, Any]) -> Call:
        credential = environ.get("HTTP_AUTHORIZATION", "")
        if not credential and (found := _CREDENTIAL_IN_QUERY.search(environ["QUERY_STRING"])):
            credential = "Credential=" + found[1].replace("%2F", "/")
        signed = _CREDENTIAL.search(credential)
        if signed:
            access_key, region, service = signed.groups()
        else:
            older = _ACCESS_KEY_IN_QUERY.search(environ["QUERY_STRING"])
            access_key, region, service = older[1] if older else "", "us-east-1", "s3"
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        action = target.rpartition(".")[2] if target else ""
        if not target and _is_query(environ):
            action = _form_action(environ)
        return cls(service.lower(), action, region, access_key)


def _form_action(environ: dict[str, Any]) -> str:
    """``Action=…`` of a body in the query protocol; leaves the body to be read again."""
    stream = environ["wsgi.input"]
    body = stream.getvalue()
    if not body.startswith(b"Action=") and b"&Action=" not in body:
        return ""
    return parse_qs(body.decode("utf-8", "replace"), max_num_fields=5000).get("Action", [""])[0]


class Application:
    """moto with state that survives, direct ways, health, clear errors and an access log.

    With a ``guard``, what IAM does not allow is refused, whoever would answer it.
    """

    def __init__(
        self, moto_app: Callable[..., Iterable[bytes]], state: State, guard: Guard | None = None
    ) -> None:
        self._moto_app = moto_app
        self._state = state
        self._guard = guard

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == HEALTH_PATH:
            return respond(start_response, 200, {"status": "ok"})
        if path == DENIALS_PATH:
            if self._guard is None:
                return respond(start_response, 404, {"message": "IAM is not enforced"})
            return respond(start_response, 200, {"denials": self._guard.denials()})
        call = Call.of(environ)
        began = time.monotonic()
        status = "?"

        def note_status(line: str, headers: Any, exc_info: Any = None) -> Any:
            nonlocal status
            status = line[:3]
            return start_response(line, headers)

        try:
            return self._answer(call, environ, note_status)
        finally:
            access_log.info(
                "%s %s %s %s %s %.1fms",
                environ["REQUEST_METHOD"],
                environ["RAW_URI"],
                call.service,
                call.action,
                status,
                (time.monotonic() - began) * 1000,
            )

    def _answer(self, call: Call, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        try:
            if self._guard is not None:
                self._check(self._guard, call, environ)
            answer = None if _checks_permissions() else _directly(call, environ, start)
            return self._through_moto(call, environ, start) if answer is None else answer
        except UnknownCaller:
            text = "The security token included in the request is invalid."
            return respond_error(call, environ, start, 403, _code(call, environ, _UNKNOWN), text)
        except AccessDenied as denied:
            code = _code(call, environ, _DENIED)
            return respond_error(call, environ, start, 403, code, str(denied))
        except NotImplementedError as missing:
            what = str(missing) or f"{call.action or environ['REQUEST_METHOD']} is not implemented"
            return self._refuse(call, environ, start, what)
        except Exception as error:
            if not _is_service(call):
                what = f"There is no service {call.service!r}"
                return self._refuse(call, environ, start, what)
            log.exception("%s %s failed", call.service, call.action or environ["RAW_URI"])
            text = (
                f"The laptop's AWS failed on {call.service} {call.action}: "
                f"{type(error).__name__}: {error}. Its log has the traceback."
            )
            return respond_error(call, environ, start, 500, "InternalFailure", text)

    @staticmethod
    def _check(guard: Guard, call: Call, environ: dict[str, Any]) -> None:
        """Raises:
        UnknownCaller, AccessDenied: the call must be refused.
        """
        if environ["PATH_INFO"].startswith(_MOTO_API) or guard.may_do_everything(call.access_key):
            return
        account = account_of(call, environ)
        guard.check(
            call.access_key,
            asked_by(call.service, call.action, environ, region=call.region, account=account),
        )

    def _through_moto(self, call: Call, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Let moto answer, in the way that keeps what the call changes."""
        path = environ["PATH_INFO"]
        if path.startswith(_MOTO_API):
            answer = list(self._moto_app(environ, start))
            if environ["REQUEST_METHOD"] == "POST":
                self._state.snapshot()  # it may have changed anything, such as by a reset
                self._forget_callers()
            return answer
        if call.service == "s3" and (missing := s3.missing(environ["QUERY_STRING"])):
            raise NotImplementedError(f"S3's ?{missing} is not implemented")
        if not call.changes_something(environ["REQUEST_METHOD"], path):
            if call.service == "dynamodb":  # nothing may change under a scan
                with dynamodb.lock:
                    return list(self._moto_app(environ, start))
            return self._moto_app(environ, start)
        if call.service == "s3" and not path.startswith(_S3_CONTROL):
            with s3.journalled(environ):
                return list(self._moto_app(environ, start))
        if call.service == "sqs":  # it journals by itself
            return self._moto_app(environ, start)
        answer = self._state.request(call.service, call.action, environ, start)
        if call.service == "iam":
            self._forget_callers()
        return answer

    def _forget_callers(self) -> None:
        if self._guard is not None:
            self._guard.forget_callers()

    @staticmethod
    def _refuse(call: Call, environ: dict[str, Any], start: Any, what: str) -> Iterable[bytes]:
        text = f"{what.rstrip('.')}. The laptop's AWS (moto) does not have it; AWS may."
        return respond_error(call, environ, start, 501, "NotImplemented", text)


def _directly(call: Call, environ: dict[str, Any], start: Any) -> Iterable[bytes] | None:
    """Answer a plain call that carries data without moto's parsing; None where moto must."""
    if call.service == "sqs" and environ.get("CONTENT_TYPE", "").startswith(_AWS_JSON):
        body = environ["wsgi.input"].getvalue()
        try:
            document = sqs.answer(call.action, body, account_of(call, environ), call.region)
        except sqs.Indirect:
            return None
        return respond(start, 200, document, _AWS_JSON + "-1.0")
    if call.service == "dynamodb" and environ.get("CONTENT_TYPE", "").startswith(_AWS_JSON):
        body = environ["wsgi.input"].getvalue()
        try:
            status, told, document = dynamodb.answer(
                call.action, body, account_of(call, environ), call.region
            )
        except dynamodb.Indirect:
            return None
        start(f"{status} ", [*told.items(), ("x-amzn-RequestId", str(uuid4()))])
        return [document]
    if call.service == "s3":
        try:
            status, headers, content = s3.answer(environ)
        except s3.Indirect:
            return None
        request_id = ("x-amz-request-id", uuid4().hex[:16].upper())
        start(f"{status} ", [*((name, str(value)) for name, value in headers.items()), request_id])
        return [content] if isinstance(content, bytes) else content
    return None


def _code(call: Call, environ: dict[str, Any], codes: tuple[str, str, str]) -> str:
    if call.service == "s3":
        return codes[0]
    return codes[1 if _is_query(environ) else 2]


def _is_query(environ: dict[str, Any]) -> bool:
    media_type: str = environ.get("CONTENT_TYPE", "")
    return media_type.startswith("application/x-www-form-urlencoded")


def _is_service(call: Call) -> bool:
    address = f"http://{call.service}.{call.region}.amazonaws.com"
    return any(pattern.match(address) for _, pattern in backend_url_patterns)


def _checks_permissions() -> bool:
    """Whether somebody turned moto's IAM enforcement on: then every call must pass it."""
    return not math.isinf(moto.settings.INITIAL_NO_AUTH_ACTION_COUNT)


def account_of(call: Call, environ: dict[str, Any]) -> str:
    """The account that a call lands in, found as moto finds it."""
    named = environ.get("HTTP_X_MOTO_ACCOUNT_ID")
    return named or str(get_account_id_from(call.access_key))


def respond(
    start_response: Any, status: int, document: Any, media_type: str = "application/json"
) -> list[bytes]:
    body = json.dumps(document).encode()
    headers = [("Content-Type", media_type), ("x-amzn-RequestId", str(uuid4()))]
    start_response(f"{status} ", headers)
    return [body]


def respond_error(
    call: Call, environ: dict[str, Any], start_response: Any, status: int, code: str, text: str
) -> list[bytes]:
    """An error as the client's protocol has it: JSON (json, rest-json) or XML (query, S3)."""
    request_id = str(uuid4())
    in_xml = call.service == "s3" or _is_query(environ)
    if not in_xml:
        body = json.dumps({"__type": code, "message": text}).encode()
        headers = [
            ("Content-Type", "application/x-amz-json-1.1"),
            ("x-amzn-ErrorType", code),
            ("x-amzn-RequestId", request_id),
        ]
        if call.service == "sqs" and code in _QUERY_COMPATIBLE:
            headers.append(("x-amzn-query-error", f"{_QUERY_COMPATIBLE[code]};Sender"))
    else:
        error = f"<Code>{code}</Code><Message>{escape(text)}</Message>"
        if call.service == "s3":
            xml = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
        else:
            xml = (
                f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error>"
                f"<RequestId>{request_id}</RequestId></ErrorResponse>"
            )
        body = f'<?xml version="1.0" encoding="UTF-8"?>{xml}'.encode()
        headers = [("Content-Type", "text/xml"), ("x-amz-request-id", request_id)]
    start_response(f"{status} ", headers)
    return [body]
