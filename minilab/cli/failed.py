"""``minilab failed``: list, show and replay what could not be accepted."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from minilab.cli.output import json_option, note, print_json, print_table, progress

if TYPE_CHECKING:
    from minilab.failed import FailedEvent, Filter

_STAGES = ("ingest", "processing", "landing")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class _Since(click.ParamType[datetime]):
    """``30m``, ``2h``, ``3d``, or an RFC 3339 instant or date."""

    name = "since"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        if match := re.fullmatch(r"(\d{1,6})([smhd])", value):
            return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither an age such as 2h or 3d nor an RFC 3339 time.")
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _filters(command: Any) -> Any:
    for option in (
        click.option("--since", type=_Since(), help="Landed since: 30m, 2h, 3d or a UTC time."),
        click.option("--reason", "reasons", multiple=True, help="Only this reason (repeatable)."),
        click.option("--tenant", metavar="NAME", help="Only this tenant."),
        click.option(
            "--stage",
            "stages",
            type=click.Choice(_STAGES),
            multiple=True,
            help="Only what failed there (repeatable).",
        ),
        click.option(
            "--stream",
            metavar="NAME",
            help="Only this stream; `unrouted` for what is of none.",
        ),
    ):
        command = option(command)
    return command


def _filter(
    stream: str | None,
    stages: tuple[str, ...],
    reasons: tuple[str, ...],
    tenant: str | None,
    since: datetime | None,
    ids: tuple[str, ...] = (),
) -> Filter:
    from minilab.events.failures import Reason
    from minilab.events.registry import UNROUTED, load_registry
    from minilab.failed import Filter

    if stream is not None and stream != UNROUTED:
        load_registry().stream(stream)
    known = {str(reason) for reason in Reason}
    for reason in reasons:
        if reason not in known:
            raise click.BadParameter(f"{reason!r} is none of {', '.join(sorted(known))}.")
    return Filter(stream, frozenset(stages), frozenset(reasons), tenant, since, ids)


@click.group()
def failed() -> None:
    """Events that could not be accepted: each kept with its bytes and every rule it broke.

    \b
    Example:
      minilab failed list --since 2h
      minilab failed show 3f2a
      minilab failed replay --reason unknown_type
    """


@failed.command("list")
@_filters
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1))
@json_option
def list_(
    stream: str | None,
    stages: tuple[str, ...],
    reasons: tuple[str, ...],
    tenant: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List failed events, newest first.

    \b
    Example:
      minilab failed list --stream product --reason contract_violation --since 1d
      minilab failed list --stage ingest --tenant acme
    """
    from minilab.failed import find
    from minilab.settings import Settings

    with progress("reading failed events"):
        wanted = _filter(stream, stages, reasons, tenant, since)
        found = find(Settings.from_env(), wanted)[::-1]
    if as_json:
        print_json([event.as_dict() for event in found[:limit]])
        return
    if not found:
        note("No failed events.")
        return
    print_table(
        [
            "id",
            "landed at (UTC)",
            "stage",
            "stream",
            "reason",
            "type",
            "tenant",
            "first broken rule",
        ],
        [
            (
                event.failed_id[:12],
                f"{event.landed_at:%Y-%m-%d %H:%M:%S}",
                event.stage,
                event.stream,
                event.reason,
                event.type,
                event.tenant,
                _first_rule(event.violations),
            )
            for event in found[:limit]
        ],
    )
    _count(
        found,
        f"{len(found):,} failed events"
        + (f", the newest {limit:,} above" if len(found) > limit else ""),
    )
    note("One of them in full: minilab failed show ID")


def _count(found: Sequence[FailedEvent], title: str) -> None:
    counts = Counter((event.stage, event.stream, event.reason) for event in found)
    print_table(
        ["stage", "stream", "reason", "events"],
        [(*what, count) for what, count in sorted(counts.items())],
        title=title,
    )


def _first_rule(violations: Any) -> str:
    if not violations:
        return ""
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return f"{first['path']} {first['message']}".strip()[:100] + more


@failed.command()
@click.argument("failed_id", metavar="ID")
@json_option
def show(failed_id: str, as_json: bool) -> None:
    """Show one failed event: its bytes, and every rule that it broke.

    ID is an id of `minilab failed list`, or its beginning.

    \b
    Example:
      minilab failed show 3f2a9c
    """
    from minilab.failed import find_one
    from minilab.settings import Settings

    event = find_one(Settings.from_env(), failed_id)
    if as_json:
        print_json(event.as_dict())
        return
    names = (
        "failed_id stream reason stage id source type tenant bus shard position item "
        "published_at landed_at file"
    )
    for name in names.split():
        click.echo(f"{name:13} {getattr(event, name) if getattr(event, name) is not None else ''}")
    for name, value in event.headers.items():
        click.echo(f"{'header':13} {name}: {value}")
    print_table(
        ["path", "rule", "message"],
        [(v["path"], v["rule"], v["message"]) for v in event.violations],
        title="Broken rules",
    )
    click.echo(f"Body, {len(event.body):,} bytes:")
    click.echo(event.body.decode(errors="backslashreplace"))


@failed.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_filters
@click.option("--all", "everything", is_flag=True, help="All failed events that filters allow.")
@click.option("--again", is_flag=True, help="Also those that were replayed before.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def replay(
    ids: tuple[str, ...],
    stream: str | None,
    stages: tuple[str, ...],
    reasons: tuple[str, ...],
    tenant: str | None,
    since: datetime | None,
    everything: bool,
    again: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Send failed events round again, with their original bytes.

    After a contract was added or corrected, they land as what they were meant to be. What failed
    at landing goes to its stream's bus. What failed before goes through the processor, as events of
    the tenant that was authenticated when they came. Each is replayed once, unless --again.

    Exit code 1: some of them cannot go round, or were not taken; each is told with the reason.

    \b
    Example:
      minilab failed replay --reason unknown_type --stream product --yes
    """
    from minilab.events.registry import load_registry
    from minilab.failed import find
    from minilab.failed import replay as send_again
    from minilab.settings import Settings

    if not (ids or everything or stream or stages or reasons or tenant or since):
        raise click.UsageError("Say which: ids, a filter such as --reason, or --all.")
    settings = Settings.from_env()
    with progress("reading failed events"):
        found = find(settings, _filter(stream, stages, reasons, tenant, since, ids))
    missing = [i for i in ids if not any(event.failed_id.startswith(i) for event in found)]
    if missing:
        raise click.UsageError(f"There is no such failed event: {', '.join(missing)}.")
    if dry_run or not found:
        _say_what(found, as_json)
        return
    if not yes:
        click.confirm(f"Send {len(found):,} failed events again?", abort=True, err=True)
    with progress("sending"):
        summary = send_again(settings, load_registry(), found, again=again)
    if as_json:
        print_json(
            {
                "replayed": summary.replayed,
                "skipped": summary.skipped,
                "refused": dict(summary.refused),
            }
        )
    else:
        click.echo(f"{len(summary.replayed):,} sent again. Land them: minilab land")
        if summary.skipped:
            click.echo(
                f"{len(summary.skipped):,} left alone: replayed before (--again sends them)."
            )
        for failed_id, why in summary.refused.items():
            click.secho(f"{failed_id}: {why}", fg="red", err=True)
    if summary.refused:
        sys.exit(1)


def _say_what(found: Sequence[FailedEvent], as_json: bool) -> None:
    if as_json:
        print_json({"would_replay": [event.failed_id for event in found]})
        return
    _count(found, f"{len(found):,} failed events would be sent again")
