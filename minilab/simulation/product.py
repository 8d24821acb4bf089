"""What a tenant's users do: they sign up, some come back, and those use features.

The funnel: sign-up → first session → first feature → repeated use. Where a user stops is decided
at sign-up; the founder of a tenant that will pay goes all the way.
"""

from __future__ import annotations

from itertools import accumulate
from random import Random

from minilab.simulation.event import Event
from minilab.simulation.tenants import DAY, Tenant

_STAGES = ("signed_up", "visited", "tried", "retained")
_STAGE_WEIGHTS = (15, 20, 20, 45)
_PLATFORMS = ("web", "ios", "android", "desktop")
_METHODS = ("password", "google", "github", "saml")
_VERSIONS = ("4.0.1", "4.1.0", "4.1.2", "4.2.0")
_FEATURES = (
    "create_project",
    "invite_member",
    "export_csv",
    "build_dashboard",
    "schedule_report",
    "connect_source",
    "share_link",
    "set_alert",
    "run_automation",
    "ask_assistant",
)
_FEATURE_WEIGHTS = list(accumulate((30, 12, 14, 16, 6, 8, 10, 5, 4, 9)))
_PAGES = (
    "/home",
    "/projects",
    "/projects/overview",
    "/dashboards",
    "/dashboards/revenue",
    "/reports",
    "/settings",
    "/settings/members",
    "/billing",
    "/search",
)
_PAGE_WEIGHTS = list(accumulate((30, 18, 12, 14, 8, 6, 4, 3, 2, 3)))
_REFERRERS = ("https://www.google.com/", "https://news.ycombinator.com/", "/home", "/projects")
_FILTERS = ("type:project", "type:report", "owner:me", "archived", "last:7d")
_ACTIONS = ("page", "feature", "search")
_ACTION_WEIGHTS = list(accumulate((60, 27, 13)))
# How likely a session begins in each hour of a working day.
_HOURS = list(accumulate((1, 1, 1, 1, 1, 2, 5, 10, 20, 26, 25, 22, 18, 22, 25, 24, 20, 14, 9, 7)))
_HOURS += [_HOURS[-1] + n for n in (5, 9, 11, 12)]
# The history ends on a Thursday at 17:00 by the tenants' clocks.
_END_CLOCK = 3 * DAY + 17 * 3600


def simulate_user(
    rng: Random, tenant: Tenant, number: int, *, founder: bool, until: float
) -> list[Event]:
    """Everything one user does until ``until`` (an offset), in order; at least the sign-up."""
    user = f"u_{number:06x}{rng.getrandbits(24):06x}"
    if founder:
        signed_up = tenant.created
    else:
        signed_up = tenant.created + (until - tenant.created) * rng.betavariate(1.2, 2.0)
    stage = rng.choices(_STAGES, _STAGE_WEIGHTS)[0]
    if founder and tenant.converts:
        stage = "retained"
    platform = rng.choices(_PLATFORMS, (60, 15, 12, 13))[0]
    acting = _User(rng, tenant, user, platform)
    acting.sign_up(signed_up, invited=not founder and rng.random() < 0.7)
    if stage != "signed_up":
        acting.session(signed_up + rng.uniform(20, 300), until, features=stage != "visited")
    if stage == "retained":
        pause = rng.lognormvariate(0.9, 0.9) * DAY
        loyalty = rng.betavariate(4, 1.5)  # most come a few times more, some for months
        at = signed_up
        while rng.random() < loyalty:
            at += rng.expovariate(1 / pause) + 1800
            if at >= until:
                break
            at = _to_working_hours(rng, at)
            acting.session(at, until, features=True)
    acting.events.sort(key=lambda event: event.offset)
    return acting.events


def _to_working_hours(rng: Random, offset: float) -> float:
    """Move to a likely hour of the same or, off a weekend, of a later day."""
    clock = offset + _END_CLOCK
    day = clock // DAY
    if day % 7 >= 5 and rng.random() < 0.75:
        day += 7 - day % 7
    hour = rng.choices(range(24), cum_weights=_HOURS)[0]
    return max(offset, day * DAY + hour * 3600 + rng.random() * 3600 - _END_CLOCK)


class _User:
    def __init__(self, rng: Random, tenant: Tenant, name: str, platform: str) -> None:
        self._rng = rng
        self._tenant = tenant
        self._name = name
        self._platform = platform
        self._source = f"/clients/{platform}"
        self.events: list[Event] = []

    def _emit(self, offset: float, name: str, data: dict[str, object]) -> None:
        self.events.append(
            Event(offset, "product", name, self._source, self._name, self._tenant.name, data)
        )

    def sign_up(self, offset: float, *, invited: bool) -> None:
        rng = self._rng
        data: dict[str, object] = {
            "user_id": self._name,
            "email_domain": f"{self._tenant.name}.example",
            "signup_method": "invitation" if invited else rng.choice(_METHODS),
        }
        self._emit(offset, "product.user_signed_up.v1", data)

    def session(self, offset: float, until: float, *, features: bool) -> None:
        """One session: its start, then pages, features and searches until it or time is over."""
        rng = self._rng
        if offset >= until:
            return
        session = f"s_{rng.getrandbits(64):016x}"
        self._emit(
            offset,
            "product.session_started.v1",
            {
                "user_id": self._name,
                "session_id": session,
                "platform": self._platform,
                "app_version": rng.choice(_VERSIONS),
                "country": self._tenant.country,
            },
        )
        steps = 2 + int(rng.expovariate(0.2))
        actions = rng.choices(_ACTIONS, cum_weights=_ACTION_WEIGHTS, k=min(steps, 60))
        if features and "feature" not in actions:
            actions.append("feature")
        for action in actions:
            offset += rng.expovariate(1 / 35) + 0.2
            if offset >= until:
                return
            who: dict[str, object] = {"user_id": self._name, "session_id": session}
            if action == "page":
                self._emit(offset, "product.page_viewed.v1", who | self._page())
            elif action == "search":
                self._emit(offset, "product.search_performed.v1", who | self._search())
            elif features:
                self._emit(offset, "product.feature_used.v1", who | self._feature())

    def _page(self) -> dict[str, object]:
        rng = self._rng
        page: dict[str, object] = {
            "path": rng.choices(_PAGES, cum_weights=_PAGE_WEIGHTS)[0],
            "duration_ms": int(rng.expovariate(1 / 24_000)),
        }
        if rng.random() < 0.3:
            page["referrer"] = rng.choice(_REFERRERS)
        return page

    def _feature(self) -> dict[str, object]:
        rng = self._rng
        return {
            "feature": rng.choices(_FEATURES, cum_weights=_FEATURE_WEIGHTS)[0],
            "succeeded": rng.random() < 0.96,
            "duration_ms": int(rng.lognormvariate(6.2, 0.8)),
        }

    def _search(self) -> dict[str, object]:
        rng = self._rng
        results = int(rng.expovariate(1 / 12))
        search: dict[str, object] = {"query_length": rng.randint(2, 40), "results": results}
        if results and rng.random() < 0.6:
            search["clicked_position"] = rng.randint(1, min(results, 10))
        if rng.random() < 0.25:
            search["filters"] = rng.sample(_FILTERS, rng.randint(1, 2))
        return search
