"""The whole project on the laptop's AWS, with events whose answers are known by hand.

The project is a copy with one contract more, so that a new event type is built too.

One lab goes through a life: built empty, then with events, then again with nothing new, then with
late and repeated ones, then from scratch. Each stage's tables are read once; tests look at them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tests.dbt.raw_lake import at, event, failure, land
from tests.dbt.run_dbt import DbtResult, dbt, project_with_one_more_contract

if TYPE_CHECKING:
    from tests.conftest import Lab

Row = dict[str, Any]

AS_OF = {"as_of": "2026-03-31"}

pytestmark = [
    pytest.mark.timeout(900),  # five runs of dbt, on a machine that does other things too
    pytest.mark.xdist_group("dbt"),  # one worker makes the lab's life, once
]

TABLES = {
    "stg_events": "{staging}.stg_events",
    "stg_landed_batches": "{staging}.stg_landed_batches",
    "page_views": "{staging}.stg_product__page_viewed_v1",
    "changes": "{staging}.stg_billing__subscription_changed_v1",
    "searches": "{staging}.stg_product__search_performed_v1",
    "webhooks": "{staging}.stg_webhooks__any",
    "exports": "{staging}.stg_product__report_exported_v1",
    "activity": "{staging}.int_product_activity",
    **{
        name: f"{{marts}}.{name}"
        for name in (
            "sessions",
            "daily_active_users",
            "daily_active_tenants",
            "feature_adoption",
            "activation_funnel",
            "mrr_movements",
            "revenue_by_month",
            "tenant_health",
            "event_quality",
        )
    },
}


@dataclass(frozen=True)
class Stage:
    """What a build said, and what every table held after it."""

    result: DbtResult
    tables: Mapping[str, list[Row]] = field(repr=False)

    def counts(self) -> dict[str, int]:
        return {name: len(rows) for name, rows in self.tables.items()}

    def rows(self, table: str, **where: Any) -> list[Row]:
        return [
            row
            for row in self.tables[table]
            if all(row[column] == value for column, value in where.items())
        ]

    def one(self, table: str, **where: Any) -> Row:
        (row,) = self.rows(table, **where)
        return row


def product(event_id: str, name: str, time: str, tenant: str, user: str, **data: Any) -> Row:
    return event(event_id, f"product.{name}.v1", time, tenant, user_id=user, **data)


PRODUCT_EVENTS = [
    # acme's u1 signs up, starts a session, uses a feature; views a page after 35 minutes' silence
    product("p01", "user_signed_up", "2026-03-02 09:00", "acme", "u1", signup_method="google"),
    product(
        "p02", "session_started", "2026-03-02 09:05", "acme", "u1", session_id="s1", platform="web"
    ),
    product("p03", "page_viewed", "2026-03-02 09:10", "acme", "u1", session_id="s1", path="/a"),
    product(
        "p04",
        "feature_used",
        "2026-03-02 09:20",
        "acme",
        "u1",
        session_id="s1",
        feature="export",
        succeeded=True,
    ),
    product(
        "p05",
        "page_viewed",
        "2026-03-02 09:55",
        "acme",
        "u1",
        session_id="s1",
        path="/b",
        duration_ms=1200,
    ),
    # … and returns the next day, when the feature fails
    product("p06", "page_viewed", "2026-03-03 10:00", "acme", "u1", session_id="s2", path="/a"),
    product(
        "p07",
        "feature_used",
        "2026-03-03 10:05",
        "acme",
        "u1",
        session_id="s2",
        feature="export",
        succeeded=False,
    ),
    # u2 only starts a session, u3 only signs up, a week later
    product("p08", "user_signed_up", "2026-03-03 11:00", "acme", "u2", signup_method="saml"),
    product(
        "p09", "session_started", "2026-03-03 11:01", "acme", "u2", session_id="s3", platform="ios"
    ),
    product("p10", "user_signed_up", "2026-03-10 09:00", "acme", "u3", signup_method="saml"),
    # bolt has a user called u1 too: somebody else, and its ids are acme's: other events
    product("p01", "user_signed_up", "2026-03-04 08:00", "bolt", "u1", signup_method="github"),
    product(
        "p02", "session_started", "2026-03-04 08:10", "bolt", "u1", session_id="b1", platform="web"
    ),
    product(
        "p04",
        "feature_used",
        "2026-03-04 08:20",
        "bolt",
        "u1",
        session_id="b1",
        feature="import",
        succeeded=True,
    ),
    # the last day of all
    product(
        "p14",
        "search_performed",
        "2026-03-31 10:00",
        "acme",
        "u1",
        session_id="s9",
        query_length=3,
        results=2,
        filters=["x", "y"],
    ),
]

BILLING_EVENTS = [
    event("b01", "billing.subscription_started.v1", "2026-01-10 00:00", "acme",
          subscription_id="a1", plan="starter", interval="month", seats=5, mrr_cents=5000,
          currency="USD", started_at="2026-01-10T00:00:00Z"),
    event("b02", "billing.subscription_changed.v1", "2026-02-15 00:00", "acme",
          subscription_id="a1", previous_plan="starter", plan="team", previous_mrr_cents=5000,
          mrr_cents=8000, seats=8, currency="USD", changed_at="2026-02-15T01:30:00.123456+02:00"),
    event("b01", "billing.subscription_started.v1", "2026-02-05 00:00", "bolt",
          subscription_id="b1", plan="starter", interval="month", seats=2, mrr_cents=2000,
          currency="USD", started_at="2026-02-05T00:00:00Z"),
    event("b04", "billing.subscription_cancelled.v1", "2026-03-20 00:00", "bolt",
          subscription_id="b1", plan="starter", previous_mrr_cents=2000, currency="USD",
          reason="price", cancelled_at="2026-03-20T00:00:00Z"),
    event("b05", "billing.invoice_paid.v1", "2026-03-01 00:00", "acme",
          invoice_id="i1", subscription_id="a1", amount_cents=8000, tax_cents=1300, currency="USD",
          period_start="2026-03-01", period_end="2026-03-31", paid_at="2026-03-01T09:00:00Z"),
    event("b06", "billing.payment_failed.v1", "2026-03-15 00:00", "bolt",
          invoice_id="i2", subscription_id="b1", amount_cents=2000, currency="USD", attempt=1,
          failure_code="card_declined", failed_at="2026-03-15T00:00:00Z"),
]  # fmt: skip

EXPORTS = [
    event("x01", "product.report_exported.v1", "2026-03-31 10:00", "acme", report_id="r", rows=7.0)
]
"""Of the type that this test adds; without a user, so that it is no activity."""

WEBHOOKS = [
    event("w01", "com.github.push", None, None, ref="refs/heads/main"),
    event("w02", "com.github.push", "2099-01-01 00:00", None, ref="refs/heads/main"),
    event("w01", "com.github.push", None, "acme", ref="refs/heads/acme"),
]


def _first_events(lab: Lab) -> None:
    """All of the above, with three more copies of one event, and failed ones of two stages."""
    copy = PRODUCT_EVENTS[2]
    land(lab.settings, "product", "k1", "2026-03-31 10:30", [*PRODUCT_EVENTS[:8], copy])
    land(
        lab.settings,
        "product",
        "k2",
        "2026-03-31 11:05",
        [copy, *PRODUCT_EVENTS[8:], *EXPORTS, copy],
    )
    land(lab.settings, "billing", "q1", "2026-03-31 10:40", BILLING_EVENTS)
    land(lab.settings, "webhooks", "q2", "2026-03-31 10:45", WEBHOOKS)
    land(
        lab.settings,
        "product",
        "k1",
        "2026-03-31 10:30",
        [
            failure("f1", "not_json"),
            failure("f2", "not_json", stage="ingest"),
            failure("f3", "contract_violation", event_id="p99", tenant="acme"),
            # of another tenant, who never sends it again
            failure("f6", "contract_violation", event_id="p99", tenant="bolt"),
            # another event of this source and id comes later: this one never does
            failure("f4", "conflict", stage="ingest", event_id="l01", tenant="acme"),
        ],
    )
    land(
        lab.settings,
        "unrouted",
        "f1",
        "2026-03-31 10:30",
        [failure("f5", "unknown_type", stage="ingest", tenant="acme")],
    )


def _late_events(lab: Lab) -> None:
    """Four days later: late ones, copies of all kinds, and a failed event that is right now."""
    late = [
        # joins the two sessions that s1 had
        product("l01", "page_viewed", "2026-03-02 09:40", "acme", "u1", session_id="s1", path="/c"),
        # u2 used a feature three days after signing up
        product("l02", "feature_used", "2026-03-06 08:00", "acme", "u2", session_id="s4",
                feature="export", succeeded=True),
        # the failed event, replayed
        product("p99", "page_viewed", "2026-03-31 09:00", "acme", "u3", session_id="s8", path="/d"),
    ]  # fmt: skip
    again = [
        PRODUCT_EVENTS[3],
        # the same event under another time is the same event
        {**PRODUCT_EVENTS[5], "time": at("2026-03-05 10:00")},
    ]
    land(lab.settings, "product", "k3", "2026-04-04 08:00", [*late, *again])
    # a batch of a lander that had died, finished under its first hour, and one of copies only; its
    # event has the source, the id and the day of an event of acme's, and was landed before that
    forgotten = product(
        "p14", "page_viewed", "2026-03-31 09:50", "bolt", "u2", session_id="b9", path="/e"
    )
    land(lab.settings, "product", "k0", "2026-03-31 09:59", [forgotten])
    land(lab.settings, "webhooks", "q3", "2026-04-04 08:10", WEBHOOKS)
    # a subscription that began months ago, and one event with a lower clock than all before
    land(lab.settings, "billing", "q4", "2026-04-04 08:15", [
        event("b07", "billing.subscription_started.v1", "2026-01-20 00:00", "bolt",
              subscription_id="b0", plan="free", interval="month", seats=1, mrr_cents=300,
              currency="USD", started_at="2026-01-20T00:00:00Z"),
    ])  # fmt: skip


def _read(lab: Lab) -> dict[str, list[Row]]:
    from pyathena import connect

    names = {"staging": lab.settings.staging_database, "marts": lab.settings.marts_database}
    tables = {}
    with connect(
        s3_staging_dir=f"s3://{lab.settings.results_bucket}/tests/",
        region_name=lab.settings.region,
        poll_interval=0.05,
    ) as connection:
        for name, table in TABLES.items():
            cursor = connection.cursor()
            cursor.execute(f"select * from {table.format(**names)}")
            columns = [column[0] for column in cursor.description]
            tables[name] = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    return tables


@pytest.fixture(scope="module")
def life(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Stage]]:
    target = tmp_path_factory.mktemp("dbt")
    project = project_with_one_more_contract(tmp_path_factory.mktemp("checkout"))
    stages: dict[str, Stage] = {}

    def build(stage: str, *arguments: str) -> None:
        result = dbt(
            *arguments, environ=lab.environ, target=target, project=project, variables=AS_OF
        )
        assert result.exit_code == 0, f"{stage}: {result.output}"
        stages[stage] = Stage(result, _read(lab))

    build("empty", "build", "--exclude-resource-type", "unit_test")
    _first_events(lab)
    build("first", "build")
    build("again", "run")
    _late_events(lab)
    build("late", "build", "--exclude-resource-type", "unit_test")
    build("anew", "run", "--full-refresh")
    yield stages


@pytest.fixture(scope="module")
def first(life: Mapping[str, Stage]) -> Stage:
    return life["first"]


@pytest.fixture(scope="module")
def late(life: Mapping[str, Stage]) -> Stage:
    return life["late"]


def test_an_empty_lake_builds(life: Mapping[str, Stage]) -> None:
    empty = life["empty"]
    assert set(empty.counts().values()) == {0}
    assert empty.result.of("error") == empty.result.of("fail") == empty.result.of("skipped") == []


def test_unit_tests_ran(first: Stage) -> None:
    ran = [n for n in first.result.of("pass") if n.startswith("unit_test.")]
    assert len(ran) == 6
    assert first.result.of("warn") == []


def _events(stage: Stage, table: str = "stg_events") -> list[tuple[str | None, str]]:
    """Tenant and id of every row; all sources are the same."""
    return [(row["tenant"], row["event_id"]) for row in stage.tables[table]]


def test_each_event_has_one_row(first: Stage) -> None:
    sent = [*PRODUCT_EVENTS, *EXPORTS, *BILLING_EVENTS, *WEBHOOKS]
    assert Counter(_events(first)) == Counter((row["tenant"], row["id"]) for row in sent)
    assert first.one("stg_events", event_id="p03")["batch_id"] == "k1"


def test_tenants_do_not_share_ids(first: Stage) -> None:
    for event_id, tenants in {
        "p01": {"acme", "bolt"},  # in two batches of one run
        "b01": {"acme", "bolt"},  # in one batch
        "w01": {"acme", None},
    }.items():
        assert {row["tenant"] for row in first.rows("stg_events", event_id=event_id)} == tenants
    assert Counter(_events(first, "activity")) == Counter(
        (row["tenant"], row["id"]) for row in PRODUCT_EVENTS
    )


def test_an_id_that_another_tenant_used_before_is_new(late: Stage) -> None:
    for table in ("stg_events", "activity"):
        types = {row["tenant"]: row["event_type"] for row in late.rows(table, event_id="p14")}
        assert types == {
            "acme": "product.search_performed.v1",
            "bolt": "product.page_viewed.v1",
        }
    assert late.one("sessions", tenant="acme", client_session_id="s9")["searches"] == 1
    assert late.one("sessions", tenant="bolt", client_session_id="b9")["page_views"] == 1
    day = late.rows("daily_active_users", activity_date=date(2026, 3, 31))
    assert {row["tenant"]: row["events"] for row in day} == {"acme": 2, "bolt": 1}


def test_event_time_is_the_best_clock_that_can_be_believed(first: Stage) -> None:
    landed = at("2026-03-31 10:45")
    for event_id, producer in (("w01", None), ("w02", at("2099-01-01 00:00"))):
        row = first.one("stg_events", event_id=event_id, tenant=None)
        assert (row["event_time"], row["event_time_from"]) == (landed, "bus")
        assert row["producer_time"] == producer
    signup = first.one("stg_events", event_id="p01", tenant="acme")
    assert signup["event_time"] == at("2026-03-02 09:00")


def test_typed_staging(first: Stage) -> None:
    view = first.one("page_views", event_id="p05")
    assert (view["path"], view["duration_ms"], view["referrer"]) == ("/b", 1200, None)
    changed = first.one("changes", event_id="b02")
    assert changed["changed_at"] == at("2026-02-14 23:30:00.123456")
    assert (changed["plan"], changed["mrr_cents"]) == ("team", 8000)
    assert json.loads(first.one("searches", event_id="p14")["filters"]) == ["x", "y"]
    assert len(first.tables["webhooks"]) == 3


def test_a_new_event_type_is_one_file(first: Stage) -> None:
    (exported,) = first.tables["exports"]
    assert (exported["report_id"], exported["rows"], exported["tenant"]) == ("r", 7, "acme")


def test_sessions(first: Stage) -> None:
    found = {
        (r["tenant"], r["client_session_id"], r["started_at"], r["ended_at"], r["events"])
        for r in first.tables["sessions"]
    }
    assert found == {
        ("acme", "s1", at("2026-03-02 09:05"), at("2026-03-02 09:20"), 3),
        ("acme", "s1", at("2026-03-02 09:55"), at("2026-03-02 09:55"), 1),
        ("acme", "s2", at("2026-03-03 10:00"), at("2026-03-03 10:05"), 2),
        ("acme", "s3", at("2026-03-03 11:01"), at("2026-03-03 11:01"), 1),
        ("bolt", "b1", at("2026-03-04 08:10"), at("2026-03-04 08:20"), 2),
        ("acme", "s9", at("2026-03-31 10:00"), at("2026-03-31 10:00"), 1),
    }


def test_daily_active_users(first: Stage) -> None:
    def on(day: int, tenant: str) -> tuple[int, int, int, int]:
        row = first.one("daily_active_users", activity_date=date(2026, 3, day), tenant=tenant)
        names = ("daily", "weekly", "monthly")
        return *(row[f"{name}_active_users"] for name in names), row["events"]

    assert on(2, "acme") == (1, 1, 1, 5)
    assert on(3, "acme") == (2, 2, 2, 4)
    assert on(9, "acme") == (0, 2, 2, 0)
    assert on(10, "acme") == (1, 1, 3, 1)
    assert on(31, "acme") == (1, 1, 3, 1)
    assert on(4, "bolt") == (1, 1, 1, 3)
    # 30 days from 2 March for acme, from 4 March to the last day of activity for bolt
    assert len(first.tables["daily_active_users"]) == 30 + 28


def test_daily_active_tenants(first: Stage) -> None:
    by_day = {row["activity_date"].day: row for row in first.tables["daily_active_tenants"]}
    assert sorted(by_day) == list(range(2, 32))
    assert [by_day[d]["daily_active_tenants"] for d in (2, 3, 4, 5)] == [1, 1, 1, 0]
    assert [by_day[d]["new_tenants"] for d in (2, 3, 4, 5)] == [1, 0, 1, 0]
    assert by_day[9]["weekly_active_tenants"] == 2
    assert by_day[31]["monthly_active_tenants"] == 2
    assert sum(row["events"] for row in by_day.values()) == len(PRODUCT_EVENTS)


def test_feature_adoption(first: Stage) -> None:
    month = first.one("feature_adoption", period="month", feature="export")
    assert month["period_start"] == date(2026, 3, 1)
    assert (month["users"], month["tenants"], month["uses"]) == (1, 1, 2)
    assert month["success_rate"] == 0.5
    assert (month["active_users"], month["active_tenants"]) == (4, 2)
    assert (month["user_share"], month["tenant_share"]) == (0.25, 0.5)
    week = first.one("feature_adoption", period="week", feature="import")
    assert (week["period_start"], week["active_users"]) == (date(2026, 3, 2), 3)
    assert len(first.tables["feature_adoption"]) == 4


def test_activation_funnel(first: Stage) -> None:
    def users(cohort: date) -> list[int]:
        rows = sorted(first.rows("activation_funnel", cohort_week=cohort), key=lambda r: r["step"])
        return [row["users"] for row in rows]

    assert users(date(2026, 3, 2)) == [3, 3, 2, 1]
    assert users(date(2026, 3, 9)) == [1, 0, 0, 0]
    used = first.one("activation_funnel", cohort_week=date(2026, 3, 2), step_name="used_feature")
    assert used["share_of_cohort"] == used["share_of_previous"] == pytest.approx(2 / 3)
    assert used["average_hours_from_signup"] == pytest.approx(1 / 3)
    assert len(first.tables["activation_funnel"]) == 8


def _mrr(stage: Stage, tenant: str) -> list[tuple[int, ...]]:
    names = ("opening", "new", "expansion", "contraction", "churn", "reactivation", "closing")
    rows = sorted(stage.rows("mrr_movements", tenant=tenant), key=lambda row: row["month"])
    return [tuple(row[f"{name}_cents"] for name in names) for row in rows]


def test_mrr_movements(first: Stage) -> None:
    assert _mrr(first, "acme") == [
        (0, 5000, 0, 0, 0, 0, 5000),
        (5000, 0, 3000, 0, 0, 0, 8000),
        (8000, 0, 0, 0, 0, 0, 8000),
    ]
    assert _mrr(first, "bolt") == [(0, 2000, 0, 0, 0, 0, 2000), (2000, 0, 0, 0, 2000, 0, 0)]


def test_revenue_by_month(first: Stage) -> None:
    march = first.one("revenue_by_month", month=date(2026, 3, 1))
    assert (march["opening_mrr_cents"], march["closing_mrr_cents"]) == (10000, 8000)
    assert (march["churned_mrr_cents"], march["churned_tenants"]) == (2000, 1)
    assert (march["gross_mrr_churn_rate"], march["net_revenue_retention"]) == (0.2, 0.8)
    assert march["tenant_churn_rate"] == 0.5
    assert (march["paying_tenants"], march["mrr_cents_per_tenant"]) == (1, 8000)
    assert (march["invoices_paid"], march["paid_cents"], march["tax_cents"]) == (1, 8000, 1300)
    assert march["payments_failed"] == 1
    january = first.one("revenue_by_month", month=date(2026, 1, 1))
    assert january["gross_mrr_churn_rate"] is None
    assert len(first.tables["revenue_by_month"]) == 3


def test_tenant_health(first: Stage) -> None:
    acme = first.one("tenant_health", tenant="acme")
    # Active on the 10th and 31st of the last 28 days (from the 4th): 4 of 40 points
    assert (acme["active_days"], acme["activity_points"]) == (2, 4)
    # One event in the last 14 days (from the 18th), one in the 14 before
    assert acme["trend_points"] == 20
    assert (acme["features_used"], acme["breadth_points"]) == (0, 0)
    assert acme["payment_points"] == 20
    assert (acme["score"], acme["status"], acme["mrr_cents"]) == (44, "watch", 8000)
    assert acme["last_active_date"] == date(2026, 3, 31)
    bolt = first.one("tenant_health", tenant="bolt")
    assert (bolt["payment_points"], bolt["failed_payments"]) == (10, 1)
    assert (bolt["breadth_points"], bolt["status"]) == (4, "churned")


def test_event_quality(first: Stage) -> None:
    row = first.one("event_quality", stream="product")
    assert row["landed_date"] == date(2026, 3, 31)
    assert (row["landed"], row["staged"], row["duplicates_removed"]) == (18, 15, 3)
    # those of the last day are late too, by 65 minutes
    assert (row["late"], row["late_share"]) == (15, 1.0)
    assert row["failed"] == 5
    assert json.loads(row["failed_by_reason"]) == {
        "not_json": 2,
        "contract_violation": 2,
        "conflict": 1,
    }
    assert json.loads(row["failed_by_stage"]) == {"landing": 3, "ingest": 2}
    assert row["failed_share"] == pytest.approx(5 / 23)
    assert row["recovered_by_replay"] == 0
    # their clocks were not believed, so nobody knows whether they were late
    assert first.one("event_quality", stream="webhooks")["late"] == 0
    unrouted = first.one("event_quality", stream="unrouted")
    assert (unrouted["landed"], unrouted["failed"], unrouted["failed_share"]) == (0, 1, 1.0)


def _without_watermarks(stage: Stage) -> dict[str, list[Row]]:
    """Every table's rows without the columns that say when dbt ran, in one order."""
    return {
        name: sorted(
            (
                {k: v for k, v in row.items() if k not in ("staged_at", "staged_through")}
                for row in rows
            ),
            key=repr,
        )
        for name, rows in stage.tables.items()
    }


def test_a_second_build_changes_nothing(life: Mapping[str, Stage]) -> None:
    assert life["again"].tables.keys() == life["first"].tables.keys()
    for name, rows in life["again"].tables.items():
        assert sorted(map(repr, rows)) == sorted(map(repr, life["first"].tables[name])), name


def test_late_events_land_once_and_copies_never(first: Stage, late: Stage) -> None:
    assert Counter(_events(late)) - Counter(_events(first)) == {
        ("acme", "l01"): 1,
        ("acme", "l02"): 1,
        ("acme", "p99"): 1,
        ("bolt", "p14"): 1,
        ("bolt", "b07"): 1,
    }
    assert late.one("stg_events", event_id="p06")["event_time"] == at("2026-03-03 10:00")


def test_a_late_event_joins_sessions(late: Stage) -> None:
    joined = late.one("sessions", client_session_id="s1")
    assert (joined["started_at"], joined["ended_at"]) == (
        at("2026-03-02 09:05"),
        at("2026-03-02 09:55"),
    )
    assert joined["events"] == 5
    assert len(late.rows("sessions", tenant="acme")) == 6


def test_late_events_change_the_marts_of_their_days(late: Stage) -> None:
    day = late.one("daily_active_users", activity_date=date(2026, 3, 6), tenant="acme")
    assert (day["daily_active_users"], day["weekly_active_users"]) == (1, 2)
    funnel = late.rows("activation_funnel", cohort_week=date(2026, 3, 2))
    assert [r["users"] for r in sorted(funnel, key=lambda r: r["step"])] == [3, 3, 3, 1]
    week = late.one("feature_adoption", period="week", feature="export")
    assert (week["users"], week["uses"]) == (2, 3)
    assert _mrr(late, "bolt") == [
        (0, 300, 0, 0, 0, 0, 300),
        (300, 0, 2000, 0, 0, 0, 2300),
        (2300, 0, 0, 2000, 0, 0, 300),
    ]


def test_event_quality_sees_the_replay_and_the_copies(late: Stage) -> None:
    before = late.one("event_quality", stream="product", landed_date=date(2026, 3, 31))
    assert (before["landed"], before["staged"], before["duplicates_removed"]) == (19, 16, 3)
    assert before["recovered_by_replay"] == 1
    after = late.one("event_quality", stream="product", landed_date=date(2026, 4, 4))
    assert (after["landed"], after["staged"], after["duplicates_removed"]) == (5, 3, 2)
    hooks = late.one("event_quality", stream="webhooks", landed_date=date(2026, 4, 4))
    assert (hooks["landed"], hooks["staged"], hooks["duplicates_removed"]) == (3, 0, 3)


def test_from_scratch_it_is_the_same(life: Mapping[str, Stage]) -> None:
    """Whatever way the events came, incremental builds end where a full one does."""
    incremental, anew = _without_watermarks(life["late"]), _without_watermarks(life["anew"])
    for name, rows in anew.items():
        assert rows == incremental[name], name
