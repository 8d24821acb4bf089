"""``minilab land``: drain what is on the buses into the lake."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from minilab.cli.output import json_option, note, print_json, print_table, progress

if TYPE_CHECKING:
    from minilab.landing import LandingSummary


@click.command()
@click.option(
    "--stream",
    "streams",
    multiple=True,
    metavar="NAME",
    help="Only this stream (repeatable); `failed` for the failed queue and the dead letters.",
)
@json_option
def land(streams: tuple[str, ...], as_json: bool) -> None:
    """Land what waits on SQS and Kafka as Parquet in the lake, then end.

    Events that cannot be accepted are stored in failed_events with their reason; see
    `minilab failed list`. So is what failed before it came to a stream's bus: the row `failed`
    counts what came from the failed queue and from the queues of dead letters. Safe to repeat, and
    to run twice at once.

    Exit code 1: something was lost, or could not be landed and is still on its bus.

    \b
    Example:
      minilab land --stream product --stream billing
      minilab land --stream failed
    """
    from minilab.events.registry import load_registry
    from minilab.landing import land as drain
    from minilab.settings import Settings

    settings, registry = Settings.from_env(), load_registry()
    with progress("landing") as bar:
        summary = drain(settings, registry, list(streams) or None, on_progress=bar.message)
    if as_json:
        print_json(summary.as_dict())
    else:
        _print(summary)
    if not summary.ok:
        sys.exit(1)


def _print(summary: LandingSummary) -> None:
    print_table(
        ["stream", "bus", "messages", "events", "failed", "files", "MB", "seconds", "events/s"],
        [
            (
                s.stream,
                s.bus,
                s.messages,
                s.events,
                s.failed_events,
                len(s.files),
                s.bytes / 1e6,
                s.seconds,
                int((s.events + s.failed_events) / s.seconds) if s.seconds else 0,
            )
            for s in summary.streams
        ],
    )
    if summary.failed_events:
        print_table(
            ["stream", "reason", "events"],
            [(s.stream, reason, n) for s in summary.streams for reason, n in s.failed.items()],
            title=f"{summary.failed_events:,} failed events, stored with their reason",
        )
        note("Look at them: minilab failed list")
    for stream in summary.streams:
        for shard in stream.fenced:
            note(f"{shard}: another lander works on it; left to that one.")
        if stream.repeated:
            note(f"{stream.stream}: {stream.repeated:,} messages came again; not landed twice.")
        if stream.undeleted:
            note(
                f"{stream.stream}: {stream.undeleted:,} messages are landed but could not be "
                "deleted; the next landing does it."
            )
        for gap in stream.lost:
            click.secho(
                f"{gap.shard}: LOST offsets {gap.first:,} to {gap.last:,}: the broker deleted "
                "them before they were landed. Raise the topic's retention, or land more often.",
                fg="red",
                err=True,
            )
        if stream.error:
            click.secho(f"{stream.stream}: {stream.error}", fg="red", err=True)
