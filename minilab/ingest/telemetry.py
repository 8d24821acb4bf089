"""What the API tells of itself: logs, metrics (CloudWatch's embedded metric format), traces.

Powertools keeps metrics in one place for the whole process, which is right where one request is
served at a time. Here many threads may serve at once, so each request makes a metric set of its
own, and log keys are those of the thread's context. No key, secret or payload is ever logged.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger, Tracer

from minilab.events.registry import UNROUTED
from minilab.ingest.outcome import Outcome
from minilab.metrics import Metric, emf

SERVICE = "ingest"

logger = Logger(service=SERVICE)
tracer = Tracer(service=SERVICE, patch_modules=("botocore",))


def begin(request_id: str) -> None:
    """Forget the last request of this thread; what is logged from now on is this one's."""
    logger.thread_safe_clear_keys()
    logger.thread_safe_append_keys(correlation_id=request_id)


def remember(**keys: str) -> None:
    """Add to what is logged with every line of this request."""
    logger.thread_safe_append_keys(**keys)


def count_outcome(outcome: Outcome, milliseconds: float) -> None:
    """Events by status and stream. A request's latency counts with its first stream."""
    for number, stream in enumerate(dict.fromkeys(r.stream for r in outcome.results)):
        counts = outcome.counts(stream)
        metrics = {status.capitalize(): count for status, count in counts.items() if count}
        _emit(stream, metrics, None if number else milliseconds)


def count_problem(metric: str, stream: str | None, events: int, milliseconds: float) -> None:
    """Events of a request that was refused as a whole."""
    _emit(stream or UNROUTED, {metric: events}, milliseconds)


def _emit(stream: str, counts: dict[str, int], milliseconds: float | None) -> None:
    metrics = [Metric(name, count) for name, count in counts.items()]
    if milliseconds is not None:
        metrics.append(Metric("Latency", milliseconds, "Milliseconds"))
    keys = logger.thread_safe_get_current_keys()
    emf.print_line(emf.line_of(SERVICE, {"stream": stream}, metrics, keys))


def current_segment() -> Any | None:
    """The X-Ray segment that is open in this thread; None where nothing is traced."""
    if tracer.disabled:
        return None
    from aws_xray_sdk.core import xray_recorder  # type: ignore[import-untyped]

    return xray_recorder.get_trace_entity()


def resume_segment(segment: Any) -> None:
    """Let what this thread does next belong to a segment of another thread."""
    from aws_xray_sdk.core import xray_recorder

    xray_recorder.set_trace_entity(segment)
