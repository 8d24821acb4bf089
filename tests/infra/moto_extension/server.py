"""A moto server with the extension: ``python -m moto_extension.server``.

It prints one line of JSON (its port, and the list of stubs) and runs until its standard input ends.

An action that nobody answers is told as 501. moto's own answer is 500, which the Terraform
provider takes for a passing trouble and retries for minutes.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Any

from moto.core.responses import BaseResponse
from moto.server import ThreadedMotoServer

from . import cloudtrail, ec2, functions, lattice, ram, s3, sqs  # noqa: F401 - they join moto
from .registry import STUBS

_call_action = BaseResponse.call_action


def _call_action_or_501(self: BaseResponse) -> Any:
    try:
        return _call_action(self)
    except NotImplementedError as error:
        print(f"not implemented: {self.boto3_service_name} {error}", file=sys.stderr, flush=True)
        body = f'{{"__type": "NotImplemented", "message": "{error}"}}'
        return 501, {"x-amzn-errortype": "NotImplemented"}, body


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
