"""``minilab process``: the processor as a loop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from minilab.cli.output import json_option, note, print_json, print_table, progress

if TYPE_CHECKING:
    from minilab.processing.worker import Summary


@click.command()
@click.option("--drain", is_flag=True, help="End when the ingest queue is empty.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Threads that receive. For more than one core, run it several times.",
)
@click.option(
    "--metrics",
    is_flag=True,
    help="Also print metrics, a line a minute, in CloudWatch's embedded metric format.",
)
@json_option
def process(drain: bool, workers: int, metrics: bool, as_json: bool) -> None:
    """Bring accepted events from the ingest queue to their streams, enriched.

    Runs until it gets SIGTERM or Ctrl-C; then it receives no more, finishes what it has, says what
    it did, and ends with 0. While Kafka or SQS is away it waits and loses nothing. May run any
    number of times at once: a tenant's events keep their order.

    \b
    Example:
      minilab process --drain
      minilab process --workers 8
    """
    from minilab.events.registry import load_registry
    from minilab.metrics import emf
    from minilab.processing.environment import Environment
    from minilab.processing.metrics import nowhere
    from minilab.processing.worker import Limits, run
    from minilab.settings import Settings

    settings, registry = Settings.from_env(), load_registry()
    limits = Limits(receivers=workers, poll_seconds=1 if drain else Limits.poll_seconds)
    with _told_to_stop() as stop, progress(f"Processing {settings.ingest_queue}") as bar:
        summary = run(
            Environment.of(settings, registry, emf.print_line if metrics else nowhere),
            stop,
            limits=limits,
            drain=drain,
            tell=note,
            on_progress=lambda so_far: bar.message(
                f"Processing {settings.ingest_queue}: {so_far.messages:,} messages, "
                f"{so_far.events:,} events"
            ),
        )
    if as_json:
        print_json(asdict(summary))
    else:
        _print(summary)


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set by SIGTERM (what ECS sends) and SIGINT."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(summary: Summary) -> None:
    print_table(
        ["messages", "events", "failed", "retried", "given up", "seconds", "events/s"],
        [
            (
                summary.messages,
                summary.events,
                summary.failed_events,
                summary.retried,
                summary.given_up,
                summary.seconds,
                int(summary.events / summary.seconds) if summary.seconds else 0,
            )
        ],
    )
    if summary.given_up:
        note(f"{summary.given_up:,} messages failed on their last try: minilab failed list")
    if summary.given_back or summary.undeleted:
        note(f"{summary.given_back + summary.undeleted:,} messages went back to the queue.")
    if summary.paused_seconds:
        note(f"A bus was away for {summary.paused_seconds:.0f} s.")
