"""A moto server with the extension: ``python -m moto_extension.server``.

It prints one line of JSON (its port, and the list of stubs) and runs until its standard input ends.

An action that nobody answers, or at which moto fails, is told as 501. moto's own answer is 500,
which the Terraform provider takes for a passing trouble and retries: for minutes, or until what was
missing has come by another way, and nobody learns of it.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Any

from moto.core.responses import BaseResponse
from moto.server import ThreadedMotoServer
from werkzeug.exceptions import HTTPException

from . import (  # noqa: F401 - they join moto
    athena,
    budgets,
    cloudtrail,
    cloudwatch,
    ec2,
    ecs,
    functions,
    kafka,
    lattice,
    oam,
    organization,
    ram,
    rds,
    s3,
    scaling,
    sqs,
)
from .registry import STUBS

_call_action = BaseResponse.call_action


def _call_action_or_501(self: BaseResponse) -> Any:
    try:
        return _call_action(self)
    except HTTPException:
        raise  # an answer
    except Exception as error:
        kind = "NotImplemented" if isinstance(error, NotImplementedError) else "MotoFails"
        message = f"{self.boto3_service_name}: {error!r}"
        body = json.dumps({"__type": kind, "message": message})
        return 501, {"x-amzn-errortype": kind}, body


def main() -> None:
    BaseResponse.call_action = _call_action_or_501  # type: ignore[method-assign]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    ready = {"port": server.get_host_and_port()[1], "stubs": [asdict(stub) for stub in STUBS]}
    print(json.dumps(ready), flush=True)
    sys.stdin.read()
    os._exit(0)  # at once: an orderly stop waits for every connection that a client left open


if __name__ == "__main__":
    main()
