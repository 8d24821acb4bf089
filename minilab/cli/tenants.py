"""``minilab tenants``: who may send events, with which keys, and how much."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from minilab.cli.output import json_option, note, print_json, print_table

if TYPE_CHECKING:
    from minilab.tenants import ApiKey, Tenant, Tenants

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class _Duration(click.ParamType[int]):
    """``90s``, ``30m``, ``24h``, ``7d`` or ``0``: seconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if value == "0":
            return 0
        match = re.fullmatch(r"(\d{1,6})([smhd])", str(value))
        if match is None:
            self.fail(f"{value!r} is no duration such as 30m, 24h or 7d.")
        return int(match[1]) * _UNITS[match[2]]


@click.group()
def tenants() -> None:
    """Tenants and their API keys.

    A key is printed once, when it is made: only its hash is stored.

    \b
    Example:
      minilab tenants create acme --plan team --stream product
      minilab tenants rotate acme --grace 24h
    """


@tenants.command()
@click.argument("name")
@click.option("--plan", help="free, starter, team or enterprise. Default: team.")
@click.option("--region", help="Where the tenant is at home. Default: this deployment's region.")
@click.option("--stream", "streams", multiple=True, help="A stream it may send to (repeatable).")
@click.option("--rate", type=click.IntRange(1), help="Events per second. Default: the plan's.")
@json_option
def create(
    name: str,
    plan: str | None,
    region: str | None,
    streams: tuple[str, ...],
    rate: int | None,
    as_json: bool,
) -> None:
    """Make a tenant and its first API key; without --stream it may send to every stream.

    \b
    Example:
      minilab tenants create acme
      export MINILAB_API_KEY=$(minilab tenants create acme --stream product)
    """
    from minilab.events.envelope import is_tenant
    from minilab.settings import Settings
    from minilab.tenants import DEFAULT_PLAN, PLANS, Tenant, Tenants
    from minilab.tenants.keys import new_key
    from minilab.tenants.model import ALL_STREAMS

    if not is_tenant(name):
        raise click.BadParameter(
            f"{name!r}: 1 to 64 letters, digits, '.', '_' or '-', beginning and ending with a "
            "letter or digit.",
            param_hint="NAME",
        )
    plan = plan or DEFAULT_PLAN
    _check(plan, streams)
    settings = Settings.from_env()
    created_at = _now()
    tenant = Tenant(
        name=name,
        plan=plan,
        region=region or settings.region,
        status="active",
        streams=tuple(dict.fromkeys(streams)) or (ALL_STREAMS,),
        events_per_second=rate or PLANS[plan],
        created_at=created_at,
    )
    text, key = new_key(name, created_at)
    Tenants(settings).create(tenant, key)
    if as_json:
        print_json({**asdict(tenant), "key": text})
        return
    _print_tenant(tenant)
    _print_key(text)


@tenants.command()
@click.argument("name")
@click.option("--plan", help="free, starter, team or enterprise; its rate too, without --rate.")
@click.option("--region", help="Where the tenant is at home.")
@click.option("--stream", "streams", multiple=True, help="All that it may send to (repeatable).")
@click.option("--all-streams", is_flag=True, help="It may send to every stream.")
@click.option("--rate", type=click.IntRange(1), help="Events per second.")
def change(
    name: str,
    plan: str | None,
    region: str | None,
    streams: tuple[str, ...],
    all_streams: bool,
    rate: int | None,
) -> None:
    """Change what a tenant may do, within a minute. What is not named stays as it is.

    \b
    Example:
      minilab tenants change acme --rate 5000
    """
    from minilab.tenants import PLANS
    from minilab.tenants.model import ALL_STREAMS

    if streams and all_streams:
        raise click.UsageError("Either --stream or --all-streams.")
    _check(plan, streams)
    changes = {
        "plan": plan,
        "region": region,
        "streams": (ALL_STREAMS,) if all_streams else tuple(dict.fromkeys(streams)) or None,
        "events_per_second": rate or (PLANS[plan] if plan else None),
    }
    given = {field: value for field, value in changes.items() if value is not None}
    if not given:
        raise click.UsageError("Say what to change, such as --rate 5000.")
    _tenants().change(name, **given)
    note(f"{name} is changed; every API knows within a minute.")


def _check(plan: str | None, streams: tuple[str, ...]) -> None:
    from minilab.events.registry import load_registry
    from minilab.tenants import PLANS

    if plan is not None and plan not in PLANS:
        raise click.BadParameter(f"{plan!r} is none of {', '.join(PLANS)}.", param_hint="--plan")
    registry = load_registry()
    for stream in streams:
        registry.stream(stream)


@tenants.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the tenants, with what they sent in the last 24 hours (about).

    \b
    Example:
      minilab tenants list --json
    """
    from minilab.events.registry import load_registry
    from minilab.settings import Settings
    from minilab.tenants import Tenants
    from minilab.tenants.usage import last_day

    settings = Settings.from_env()
    found = Tenants(settings).all()
    names, streams = [tenant.name for tenant in found], list(load_registry().streams)
    usage = last_day(settings, names, streams, datetime.now(UTC))
    if as_json:
        print_json([{**asdict(t), "last_24h": asdict(usage[t.name])} for t in found])
        return
    if not found:
        note("No tenants. Make one with: minilab tenants create NAME")
        return
    print_table(
        ["tenant", "plan", "region", "status", "streams", "events/s", "events 24 h", "bytes 24 h"],
        [
            (
                tenant.name,
                tenant.plan,
                tenant.region,
                tenant.status,
                " ".join(tenant.streams),
                tenant.events_per_second,
                usage[tenant.name].events,
                usage[tenant.name].bytes,
            )
            for tenant in found
        ],
    )


@tenants.command()
@click.argument("name")
@click.option(
    "--grace",
    type=_Duration(),
    default="24h",
    show_default=True,
    help="How long older keys stay valid: 30m, 24h, 7d; 0 ends them now.",
)
@json_option
def rotate(name: str, grace: int, as_json: bool) -> None:
    """Make a new API key for a tenant; its older keys end after the grace.

    A revoked key may still be taken for a minute: that is how long the API remembers one.

    \b
    Example:
      minilab tenants rotate acme
      minilab tenants rotate acme --grace 0
    """
    from minilab.tenants.keys import new_key

    now = int(time.time())
    text, key = new_key(name, _now())
    old = _tenants().rotate(name, key, now=now, old_until=now + grace)
    if as_json:
        print_json({"tenant": name, "key": text, "older_keys": [_without_hash(k) for k in old]})
        return
    for each in old:
        note(f"Key mlk_{each.id}_… of {each.created_at} ends at {_utc(each.expires_at)}.")
    _print_key(text)


@tenants.command()
@click.argument("name")
def suspend(name: str) -> None:
    """Refuse a tenant's events, within a minute; nothing of it is deleted.

    \b
    Example:
      minilab tenants suspend acme
    """
    _tenants().change(name, status="suspended")
    note(f"{name} is suspended. Undo it with: minilab tenants resume {name}")


@tenants.command()
@click.argument("name")
def resume(name: str) -> None:
    """Take a suspended tenant's events again, within a minute.

    \b
    Example:
      minilab tenants resume acme
    """
    _tenants().change(name, status="active")
    note(f"{name} is active.")


def _tenants() -> Tenants:
    from minilab.settings import Settings
    from minilab.tenants import Tenants

    return Tenants(Settings.from_env())


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc(second: int | None) -> str:
    return "" if second is None else f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _without_hash(key: ApiKey) -> dict[str, Any]:
    shown = asdict(key)
    return {name: value for name, value in shown.items() if name != "secret_sha256"}


def _print_tenant(tenant: Tenant) -> None:
    print_table(
        ["tenant", "plan", "region", "streams", "events/s"],
        [
            (
                tenant.name,
                tenant.plan,
                tenant.region,
                " ".join(tenant.streams),
                tenant.events_per_second,
            )
        ],
        file=sys.stderr,  # stdout is the key and nothing else
    )


def _print_key(text: str) -> None:
    note("Its API key, shown this once:")
    click.echo(text)
