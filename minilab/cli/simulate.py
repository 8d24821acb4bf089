"""``minilab simulate``: events of a believable SaaS, on all buses."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from minilab.cli.output import json_option, note, print_json, print_table, progress

if TYPE_CHECKING:
    from minilab.simulation.sending import Summary

_SHARE = click.FloatRange(0, 1)


@click.command()
@click.option("--events", type=click.IntRange(1), required=True, help="Distinct good events.")
@click.option("--seed", type=int, help="Same seed, same events and ids. Default: a new one.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Events per second, now.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=90, show_default=True)
@click.option("--until", help="When the history ends (RFC 3339). Default: now.")
@click.option("--stream", "streams", multiple=True, help="Only this stream (repeatable).")
@click.option("--bad", type=_SHARE, default=0, help="Share of bad events added, of every kind.")
@click.option("--duplicates", type=_SHARE, default=0, help="Share of events sent a second time.")
@click.option("--late", type=_SHARE, default=0, help="Share of events sent after younger ones.")
@json_option
def simulate(
    events: int,
    seed: int | None,
    rate: float | None,
    days: float,
    until: str | None,
    streams: tuple[str, ...],
    bad: float,
    duplicates: float,
    late: float,
    as_json: bool,
) -> None:
    """Send the events of a simulated SaaS: many tenants, users, subscriptions, webhooks.

    Exactly EVENTS distinct good events are sent, a history of DAYS days that ends now; bad ones
    and duplicates come on top. With --rate they happen now, until all are sent or Ctrl-C.

    \b
    Example:
      minilab simulate --events 100000 --bad 0.01 --duplicates 0.01 --late 0.01
      minilab simulate --events 10000 --rate 50 --stream product
    """
    from minilab.events.registry import load_registry
    from minilab.settings import Settings
    from minilab.simulation import sending

    plan = sending.Plan(
        events=events,
        seed=secrets.randbelow(10**9) if seed is None else seed,
        until=_seconds(until),
        days=days,
        streams=streams,
        rate=rate,
        bad=bad,
        duplicates=duplicates,
        late=late,
    )
    settings, registry = Settings.from_env(), load_registry()
    with progress(f"Imagining {days:g} days of it"):
        script = sending.Script(registry, plan)
    with _interrupt() as interrupted, progress("Sending", total=len(script.places)) as bar:
        summary = sending.send(
            settings, script, on_progress=bar.advance, should_stop=lambda: bool(interrupted)
        )
    if as_json:
        print_json(summary.as_json())
    else:
        _show(summary)
    if summary.interrupted and rate is None:
        sys.exit(130)


def _seconds(until: str | None) -> float:
    if until is None:
        return time.time()
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        raise click.BadParameter(
            f"{until!r} is not a time such as 2026-01-31T12:00:00Z.", param_hint="--until"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@contextmanager
def _interrupt() -> Iterator[list[int]]:
    """A list that is empty until Ctrl-C; a second Ctrl-C ends the program at once."""
    caught: list[int] = []

    def remember(number: int, _: Any) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield caught
    finally:
        signal.signal(signal.SIGINT, before)


def _show(summary: Summary) -> None:
    print_table(
        ["stream", "bus", "events", "duplicates", "late", "bad", "messages", "bytes", "seconds"],
        [
            (
                stream.stream,
                stream.bus,
                stream.events,
                stream.duplicates,
                stream.late,
                stream.bad.total(),
                stream.messages,
                stream.bytes,
                stream.seconds,
            )
            for stream in summary.streams
        ],
    )
    bad = summary.as_json()["bad"]
    if bad:
        print_table(["expected reason", "bad events"], sorted(bad.items()))
    total = sum(stream.events for stream in summary.streams)
    stopped = "Stopped. " if summary.interrupted else ""
    note(
        f"{stopped}{total:,} distinct events sent in {summary.seconds:.1f} s, seed {summary.seed}."
    )
