"""What third parties report: a code host and a payment provider, in shapes like theirs."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from minilab.simulation.event import Event
from minilab.simulation.tenants import Tenant

_KINDS = ("push", "pull_request", "issues", "workflow_run")
_KIND_WEIGHTS = (50, 22, 13, 15)
_REPOSITORIES = ("api", "web", "mobile", "infra", "docs", "data")
_LOGINS = ("amelie", "bo", "chidi", "dana", "emre", "farah", "gwen", "hiro", "ines", "jonas")
_TITLES = (
    "Fix flaky retry in the worker",
    "Añadir exportación a CSV",
    "Speed up the dashboards' first paint",
    "Überprüfung der Rechnungsdaten",
    "Upgrade dependencies",
    "検索結果の並び順を直す",
    'Quote "names" and \\ backslashes properly',
)
_STRIPE_TYPES = {
    "billing.subscription_started.v1": "customer.subscription.created",
    "billing.subscription_changed.v1": "customer.subscription.updated",
    "billing.subscription_cancelled.v1": "customer.subscription.deleted",
    "billing.invoice_paid.v1": "invoice.paid",
    "billing.payment_failed.v1": "invoice.payment_failed",
}


def payment_webhooks(rng: Random, billing: Sequence[Event]) -> list[Event]:
    """One webhook of the payment provider for each billing event, seconds after it."""
    return [_payment(rng, event) for event in billing]


def _payment(rng: Random, event: Event) -> Event:
    kind = _STRIPE_TYPES[event.type]
    about = event.data.get("invoice_id", event.subject)
    offset = min(0.0, event.offset + rng.uniform(0.2, 8))
    return Event(
        offset=offset,
        stream="webhooks",
        type=f"com.stripe.{kind}",
        source="https://api.stripe.com/v1/events",
        subject=about,
        tenant=event.tenant,
        data={
            "id": f"evt_{rng.getrandbits(80):020x}",
            "object": "event",
            "api_version": "2025-03-31.basil",
            "type": kind,
            "livemode": True,
            "pending_webhooks": rng.randint(0, 2),
            "request": {"id": None, "idempotency_key": f"{rng.getrandbits(64):016x}"},
            "data": {
                "object": {
                    "id": about,
                    "object": "invoice" if kind.startswith("invoice") else "subscription",
                    "currency": str(event.data["currency"]).lower(),
                    "amount": event.data.get("amount_cents", event.data.get("mrr_cents")),
                    "metadata": {"tenant": event.tenant},
                }
            },
        },
        stamps={"created": event.offset},
    )


def code_webhooks(rng: Random, tenants: Sequence[Tenant], count: int) -> list[Event]:
    """``count`` webhooks of the code host, from the tenants that have connected it."""
    connected = [tenant for tenant in tenants if tenant.has_github]
    chosen = rng.choices(connected, [tenant.weight**0.7 for tenant in connected], k=count)
    kinds = rng.choices(_KINDS, _KIND_WEIGHTS, k=count)
    return [_code(rng, tenant, kind) for tenant, kind in zip(chosen, kinds, strict=True)]


def _code(rng: Random, tenant: Tenant, kind: str) -> Event:
    repository = f"{tenant.name}/{rng.choice(_REPOSITORIES)}"
    login = rng.choice(_LOGINS)
    payload: dict[str, Any] = {
        "repository": {
            "id": rng.randrange(10**8),
            "full_name": repository,
            "private": True,
            "html_url": f"https://github.com/{repository}",
            "default_branch": "main",
            "topics": ["saas", tenant.country.lower()],
        },
        "sender": {"login": login, "id": rng.randrange(10**7), "type": "User"},
        "organization": {"login": tenant.name},
    }
    match kind:
        case "push":
            payload |= _push(rng, login)
        case "pull_request":
            payload |= {
                "action": rng.choice(("opened", "synchronize", "closed")),
                "number": (number := rng.randrange(1, 5000)),
                "pull_request": {
                    "number": number,
                    "title": rng.choice(_TITLES),
                    "body": None,
                    "merged": rng.random() < 0.4,
                    "additions": int(rng.lognormvariate(3.5, 1.4)),
                    "deletions": int(rng.lognormvariate(2.5, 1.4)),
                },
            }
        case "issues":
            payload |= {
                "action": rng.choice(("opened", "closed", "labeled")),
                "issue": {"number": rng.randrange(1, 5000), "title": rng.choice(_TITLES)},
            }
        case _:
            payload |= {
                "action": "completed",
                "workflow_run": {
                    "name": "ci",
                    "run_number": rng.randrange(1, 20_000),
                    "conclusion": rng.choice(("success", "success", "success", "failure")),
                    "duration_s": round(rng.lognormvariate(5, 0.6), 1),
                },
            }
    return Event(
        offset=tenant.created * rng.random(),
        stream="webhooks",
        type=f"com.github.{kind}",
        source=f"https://github.com/{repository}",
        subject=login,
        # A tenant is optional here: some deliveries cannot be told whose they are.
        tenant=tenant.name if rng.random() < 0.97 else None,
        data=payload,
    )


def _push(rng: Random, login: str) -> dict[str, Any]:
    commits = [
        {
            "id": f"{rng.getrandbits(160):040x}",
            "message": rng.choice(_TITLES),
            "author": {"name": login, "username": login},
            "added": [],
            "removed": [],
            "modified": [f"src/{rng.choice(_REPOSITORIES)}.py"],
        }
        for _ in range(rng.randint(1, 4))
    ]
    return {
        "ref": "refs/heads/main",
        "before": f"{rng.getrandbits(160):040x}",
        "after": commits[-1]["id"],
        "forced": False,
        "commits": commits,
    }
