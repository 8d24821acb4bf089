"""A Lambda handler whose path says how it behaves, for the gateway's tests."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote


def handler(event: dict[str, Any], context: Any) -> Any:
    match event["rawPath"]:
        case "/raise":
            raise ValueError("the handler's own trouble")
        case "/exit":
            raise SystemExit(3)
        case "/bytes":
            return {"statusCode": 200, "body": b"what JSON cannot say"}
        case "/malformed":
            return {"statusCode": "fine"}
        case "/large":
            return {"statusCode": 200, "body": "x" * int(event["rawQueryString"])}
        case "/wait":
            return _wait_for(Path(unquote(event["rawQueryString"])))
        case "/no-content":
            return {"statusCode": 204}
        case "/body":
            return _echo(event)
        case _:
            return _told(event, context)


def _wait_for(file: Path) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return {"statusCode": 200, "body": "waited"}


def _echo(event: dict[str, Any]) -> dict[str, Any]:
    body = event.get("body", "")
    if not event["isBase64Encoded"]:
        body = base64.b64encode(body.encode()).decode()
    headers = {"content-type": event["headers"].get("content-type", "none")}
    return {"statusCode": 200, "headers": headers, "body": body, "isBase64Encoded": True}


def _told(event: dict[str, Any], context: Any) -> dict[str, Any]:
    told = {
        "aws_request_id": context.aws_request_id,
        "function_name": context.function_name,
        "function_version": context.function_version,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "invoked_function_arn": context.invoked_function_arn,
        "log_group_name": context.log_group_name,
        "remaining": context.get_remaining_time_in_millis(),
    }
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "cookies": ["seen=1", "again=2"],
        "body": json.dumps({"event": event, "context": told}),
    }
