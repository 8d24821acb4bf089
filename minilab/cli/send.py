"""``minilab send``: events from a file onto a stream, as they are."""

from __future__ import annotations

import gzip
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import click

from minilab.cli.output import (
    Progress,
    json_option,
    note,
    print_json,
    print_table,
    progress,
)
from minilab.errors import MinilabError

if TYPE_CHECKING:
    from minilab.bus import Publisher

_GZIP_MAGIC = b"\x1f\x8b"


@dataclass
class Sent:
    """What became of a file's lines."""

    stream: str
    lines: int = 0
    blank: int = 0
    messages: int = 0
    """Lines that the bus acknowledged."""
    bytes: int = 0
    too_large: list[int] = field(default_factory=list)
    """Numbers of the lines that the bus does not take."""
    failed: int = 0
    """Lines that the bus did not acknowledge, for another reason."""
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        return not self.too_large and not self.failed


@click.command()
@click.option("--stream", required=True, help="Stream of contracts/streams.yaml to send to.")
@click.argument("file", type=click.File("rb"))
@json_option
def send(stream: str, file: BinaryIO, as_json: bool) -> None:
    """Send the events in FILE (- for standard input), one CloudEvent in JSON a line.

    Each line is sent byte for byte: what is wrong with it, landing will say, and keep it as a
    failed event. FILE may be compressed with gzip. Blank lines are skipped. Exits with 1 if a line
    was not taken by the bus.

    \b
    Example:
      minilab send --stream webhooks events.ndjson
      zcat old/*.gz | minilab send --stream webhooks -
    """
    from minilab.bus import open_publisher
    from minilab.events.registry import load_registry
    from minilab.settings import Settings

    target = load_registry().stream(stream)
    publisher = open_publisher(Settings.from_env(), target)
    sent = Sent(stream)
    started = time.monotonic()
    error: MinilabError | KeyboardInterrupt | None = None
    try:
        with progress(f"Sending to {stream}") as bar, publisher:
            _send_lines(_lines(file), publisher, target.bus, sent, bar)
    except (MinilabError, KeyboardInterrupt) as problem:
        error = problem  # first say what was sent
    sent.messages, sent.bytes = publisher.sent, publisher.sent_bytes
    sent.failed = sent.lines - sent.blank - len(sent.too_large) - sent.messages
    sent.seconds = round(time.monotonic() - started, 3)
    _report(sent, as_json)
    if isinstance(error, KeyboardInterrupt):
        note(f"Stopped after line {sent.lines:,}.")
        sys.exit(130)
    if error is not None:
        raise error
    sys.exit(0 if sent.complete else 1)


def _send_lines(
    lines: Iterator[bytes], publisher: Publisher, bus: str, sent: Sent, bar: Progress
) -> None:
    from minilab.bus import CLOUDEVENTS_BATCH, MessageTooLargeError

    batch = {"content-type": CLOUDEVENTS_BATCH} if bus == "kafka" else None
    for number, line in enumerate(lines, 1):
        sent.lines = number
        start = line.lstrip()[:1]
        if not start:
            sent.blank += 1
            continue
        try:
            publisher.send(line, key=_tenant(line), headers=batch if start == b"[" else None)
        except MessageTooLargeError as refusal:
            sent.too_large.append(number)
            note(f"line {number}: {refusal.message}")
        if number % 1000 == 0:
            bar.message(f"Sending to {sent.stream}: {number:,} lines")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines without their ends, unpacked if the file is gzip."""
    packed = file.peek(2)[:2] == _GZIP_MAGIC  # type: ignore[attr-defined]
    source: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=file) if packed else file
    try:
        for line in source:
            yield line.rstrip(b"\r\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise MinilabError(
            f"The gzip data in {file.name} is damaged: {error}",
            hint="The lines before the damage were sent.",
        ) from error


def _tenant(line: bytes) -> str | None:
    """The event's tenant, which keeps its events in order; None if it cannot be read."""
    import msgspec

    try:
        event = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    tenant = event.get("tenant") if isinstance(event, dict) else None
    return tenant if isinstance(tenant, str) and tenant else None


def _report(sent: Sent, as_json: bool) -> None:
    if as_json:
        print_json(asdict(sent))
        return
    print_table(
        ["stream", "lines", "blank", "sent", "too large", "failed", "bytes", "seconds"],
        [
            (
                sent.stream,
                sent.lines,
                sent.blank,
                sent.messages,
                len(sent.too_large),
                sent.failed,
                sent.bytes,
                sent.seconds,
            )
        ],
    )
