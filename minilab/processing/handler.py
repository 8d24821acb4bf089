"""The processor as a Lambda function behind the ingest queue (partial batch responses).

What a bus does not take is reported as failed and stays in the queue; so does whatever comes behind
it in its group, so that the order is kept. While a bus is away those messages are hidden for longer
and longer, so that an outage of half an hour does not use up their tries.
Source: AWS Lambda Developer Guide, "Handling errors for an SQS event source".
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Tracer

from minilab.events.registry import load_registry
from minilab.metrics import emf
from minilab.processing.environment import Environment
from minilab.processing.metrics import SERVICE
from minilab.processing.process import Processed, process
from minilab.processing.records import Record
from minilab.settings import Settings

_LONGEST_HIDDEN_SECONDS = 900

logger = Logger(service=SERVICE)
tracer = Tracer(service=SERVICE)


@cache
def _environment() -> Environment:
    """Made once for the life of the function's instance: clients, publishers, what is cached."""
    return Environment.of(Settings.from_env(), load_registry(), emf.print_line)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Process an event's records; answer which of them are to come again."""
    return handle(_environment(), event)


def handle(env: Environment, event: dict[str, Any]) -> dict[str, Any]:
    """The handler, on a given environment."""
    records = [Record.from_lambda(record) for record in event["Records"]]
    processed = process(env, records)
    env.usage.add()
    _hide_longer(env, processed)
    _log_troubles(records, processed)
    env.metrics.tell()
    again = {record.message_id for record in (*processed.failed, *processed.waiting)}
    return {
        "batchItemFailures": [
            {"itemIdentifier": record.message_id}
            for record in records
            if record.message_id in again
        ]
    }


def _hide_longer(env: Environment, processed: Processed) -> None:
    visible = env.source.facts().visibility_seconds
    by_seconds: dict[int, list[Record]] = {}
    for record in processed.waiting:
        seconds = min(visible * 2 ** (record.times_received - 1), _LONGEST_HIDDEN_SECONDS)
        by_seconds.setdefault(max(visible, seconds), []).append(record)
    for seconds, some in by_seconds.items():
        env.source.hide(some, seconds)


def _log_troubles(records: list[Record], processed: Processed) -> None:
    for record in records:
        if (trouble := processed.troubles.get(record.message_id)) is not None:
            logger.warning(
                trouble.why,
                message_id=record.message_id,
                tenant=record.group,
                times_received=record.times_received,
                bus_away=trouble.away,
            )
