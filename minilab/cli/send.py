"""``minilab send``: events from a file onto a stream, as they are, or through the API."""

from __future__ import annotations

import gzip
import os
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

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
    from minilab.ingest.client import Told

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


@dataclass
class SentToApi:
    """What the API said of a file's lines."""

    stream: str | None
    lines: int = 0
    blank: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    """Of each line its number, the reason, and every broken rule."""
    deferred: list[int] = field(default_factory=list)
    """Numbers of the lines that the API did not take, although nothing is wrong with them."""
    bytes: int = 0
    """Bytes of the bodies that were posted."""
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        return not self.rejected and not self.deferred


@click.command()
@click.option("--stream", help="Stream of contracts/streams.yaml to send to. The bus needs it.")
@click.option(
    "--via",
    type=click.Choice(["bus", "api"]),
    default="bus",
    show_default=True,
    help="Straight onto the stream's bus, or through the ingestion API.",
)
@click.argument("file", type=click.File("rb"))
@json_option
def send(stream: str | None, via: str, file: BinaryIO, as_json: bool) -> None:
    """Send the events in FILE (- for standard input), one CloudEvent in JSON a line.

    On the bus, each line is sent byte for byte: what is wrong with it, landing will say, and keep
    it as a failed event. The API (MINILAB_API_URL, MINILAB_API_KEY) says so at once; without
    --stream, each event's type tells where it belongs. FILE may be compressed with gzip. Blank
    lines are skipped. Exits with 1 if a line was not taken.

    \b
    Example:
      minilab send --stream webhooks events.ndjson
      zcat old/*.gz | minilab send --stream webhooks -
      MINILAB_API_KEY=mlk_… minilab send --via api events.ndjson
    """
    if via == "api":
        _send_to_api(stream, file, as_json)
    elif stream is None:
        raise click.UsageError("Say which --stream; only the API (--via api) knows it by itself.")
    else:
        _send_to_bus(stream, file, as_json)


def _send_to_api(stream: str | None, file: BinaryIO, as_json: bool) -> None:
    from minilab.ingest.client import ApiClient, Line
    from minilab.settings import Settings

    client = ApiClient(Settings.from_env(), os.environ.get("MINILAB_API_KEY", ""), stream)
    sent = SentToApi(stream)

    def lines() -> Iterator[Line]:
        for number, text in enumerate(_lines(file), 1):
            sent.lines = number
            if text.strip():
                yield Line(number, text)
            else:
                sent.blank += 1

    started = time.monotonic()
    error: MinilabError | KeyboardInterrupt | None = None
    try:
        with progress("Sending to the API") as bar:
            for number, told in enumerate(client.send(lines()), 1):
                _count(sent, told)
                if number % 100 == 0:
                    bar.message(f"Sending to the API: {number:,} lines answered")
    except (MinilabError, KeyboardInterrupt) as problem:
        error = problem  # first say what was sent
    sent.bytes = client.sent_bytes
    sent.seconds = round(time.monotonic() - started, 3)
    _report_api(sent, as_json)
    _exit(sent.lines, sent.complete, error)


def _count(sent: SentToApi, told: Told) -> None:
    if told.status == "accepted":
        sent.accepted += 1
    elif told.status == "duplicate":
        sent.duplicate += 1
    elif told.status == "deferred":
        sent.deferred.append(told.line)
        note(f"line {told.line}: not accepted now: {told.problem.get('detail', '')}")
    else:
        violations = told.problem.get("violations", [])
        reason = told.problem.get("reason")
        sent.rejected.append({"line": told.line, "reason": reason, "violations": violations})
        for broken in violations or [{"path": "", "message": told.problem.get("detail")}]:
            note(f"line {told.line}: {reason}: {broken['path']} {broken['message']}")


def _report_api(sent: SentToApi, as_json: bool) -> None:
    if as_json:
        print_json(asdict(sent))
        return
    print_table(
        ["lines", "blank", "accepted", "duplicate", "rejected", "deferred", "bytes", "seconds"],
        [
            (
                sent.lines,
                sent.blank,
                sent.accepted,
                sent.duplicate,
                len(sent.rejected),
                len(sent.deferred),
                sent.bytes,
                sent.seconds,
            )
        ],
    )


def _exit(lines: int, complete: bool, error: MinilabError | KeyboardInterrupt | None) -> NoReturn:
    """End as it went: with the error that stopped it, or with 1 if a line was not taken."""
    if isinstance(error, KeyboardInterrupt):
        note(f"Stopped after line {lines:,}.")
        sys.exit(130)
    if error is not None:
        raise error
    sys.exit(0 if complete else 1)


def _send_to_bus(stream: str, file: BinaryIO, as_json: bool) -> None:
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
    _exit(sent.lines, sent.complete, error)


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
