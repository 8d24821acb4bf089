"""The tenants of the simulated SaaS: few large ones, many small ones, all of them new."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

DAY = 86_400.0

# fmt: off
_ADJECTIVES = (
    "acme", "amber", "arctic", "aspen", "atlas", "birch", "blue", "bright",
    "cedar", "cobalt", "copper", "coral", "crystal", "delta", "ember", "falcon",
    "fern", "flint", "forest", "golden", "granite", "harbor", "hazel", "indigo",
    "iron", "juniper", "lunar", "maple", "meadow", "nimbus", "north", "ocean",
    "olive", "onyx", "orchid", "pine", "polar", "quartz", "river", "sable",
    "silver", "solar", "summit", "swift", "terra", "timber", "velvet", "willow",
)
_NOUNS = (
    "analytics", "apparel", "bakery", "books", "capital", "clinic", "cloud", "coffee",
    "dental", "design", "dynamics", "energy", "events", "farms", "films", "finance",
    "foods", "freight", "games", "garden", "health", "homes", "hotels", "labs",
    "legal", "logistics", "media", "metrics", "mobility", "motors", "music", "networks",
    "optics", "outfitters", "pharma", "pictures", "press", "realty", "robotics", "schools",
    "security", "software", "sports", "studio", "systems", "supply", "travel", "ventures",
    "works",
)
# fmt: on
_COUNTRIES = ("US", "US", "US", "DE", "GB", "FR", "CA", "NL", "CZ", "BR", "IN", "AU", "SE", "JP")
_CURRENCIES = {"DE": "EUR", "FR": "EUR", "NL": "EUR", "CZ": "EUR", "SE": "EUR", "GB": "GBP"}


@dataclass(frozen=True)
class Tenant:
    """A customer's organisation."""

    name: str
    """Its id: what the extension attribute ``tenant`` says."""
    weight: float
    """How large it is, relative to others (Pareto: the largest has many times the smallest's)."""
    created: float
    """When its first user signed up, as an offset from the history's end."""
    country: str
    currency: str
    converts: bool
    """Whether it ends up paying, if its time suffices."""
    has_github: bool


def make_tenants(rng: Random, count: int, days: float, *, first: int = 1) -> list[Tenant]:
    """``count`` tenants, signed up over the ``days``, more of them early than late.

    They are numbered from ``first``; the first of them has connected its code host.
    """
    span = days * DAY
    tenants = []
    for number in range(first, first + count):
        adjective, noun = rng.choice(_ADJECTIVES), rng.choice(_NOUNS)
        country = rng.choice(_COUNTRIES)
        tenants.append(
            Tenant(
                name=f"{adjective}-{noun}-{number}",
                weight=min(rng.paretovariate(0.9), 400.0),
                # Beta(1, 2) leans to the beginning; nobody signs up in the last hundredth.
                created=span * (rng.betavariate(1.0, 2.0) * 0.99 - 1.0),
                country=country,
                currency=_CURRENCIES.get(country, "USD"),
                converts=rng.random() < 0.6,
                has_github=number == first or rng.random() < 0.5,
            )
        )
    return tenants
