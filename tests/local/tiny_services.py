"""The smallest services: a Lambda handler that tells what it was given, a processor that waits."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers with its settings and its process, so that a test sees whose they are."""
    settings = {k: v for k, v in os.environ.items() if k.startswith(("MINILAB_", "AWS_"))}
    body = json.dumps({"pid": os.getpid(), "environment": settings})
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body}


def process() -> None:
    """Says that it runs, and that it was stopped by SIGTERM, with time for its last words."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda signum, frame: told.set())
    print("processing as", os.environ["MINILAB_ENV"], flush=True)
    told.wait()
    print("finished what was in flight", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["broken"]:
        sys.exit("no such luck")
    process()
