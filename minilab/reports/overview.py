"""The overview report: what a founder wants to know, from the marts.

Pure: :data:`QUESTIONS` says what to ask Athena, :func:`render` makes the page from the answers.
A question without an answer (its table is not built yet, or empty) says so in its own place and
leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from minilab.reports import figures
from minilab.reports.figures import Figure, Row
from minilab.reports.page import Panel, Tile, render_page
from minilab.settings import Settings


@dataclass(frozen=True)
class Rows:
    """An answer: one mapping from column to value per row."""

    rows: Sequence[Row]


@dataclass(frozen=True)
class NoAnswer:
    """Why a question has none, in a sentence."""

    why: str


Answer = Rows | NoAnswer


@dataclass(frozen=True)
class Question:
    """One question: its SQL, and the chart that shows the answer (none for headline numbers)."""

    key: str
    title: str
    subtitle: str
    sql: str
    """Athena SQL; ``{raw}``, ``{staging}`` and ``{marts}`` stand for the databases."""
    chart: Callable[[Sequence[Row]], Figure] | None = None
    wide: bool = False
    empty: str = "There is nothing to show yet."

    def query(self, settings: Settings) -> str:
        return self.sql.format(
            raw=settings.raw_database,
            staging=settings.staging_database,
            marts=settings.marts_database,
        )


def _money_movements(rows: Sequence[Row]) -> Figure:
    first, last = rows[0], rows[-1]

    def total(column: str) -> float:
        return sum(float(row[column]) for row in rows)

    return figures.waterfall(
        [
            (f"{first['month']:%b %y}", float(first["opening"]), True),
            ("new", total("new"), False),
            ("expansion", total("expansion"), False),
            ("reactivated", total("reactivated"), False),
            ("contraction", -abs(total("contraction")), False),
            ("churn", -abs(total("churned")), False),
            (f"end {last['month']:%b %y}", float(last["closing"]), True),
        ]
    )


_HEADLINES = (
    Question(
        "events",
        "Events",
        "",
        """
        select sum(landed) as landed, sum(staged) as staged, sum(failed) as failed,
               sum(duplicates_removed) as duplicates, sum(late) as late
        from {marts}.event_quality
        """,
    ),
    Question(
        "tenants",
        "Tenants",
        "",
        """
        select activity_date as day, daily_active_tenants as tenants, daily_active_users as users
        from {marts}.daily_active_tenants order by activity_date desc limit 1
        """,
    ),
    Question(
        "revenue",
        "Revenue",
        "",
        """
        select month, currency, closing_mrr_cents / 100.0 as mrr, paying_tenants
        from {marts}.revenue_by_month
        where month <= current_date
        order by month desc, closing_mrr_cents desc limit 1
        """,
    ),
)

_PANELS = (
    Question(
        "events_over_time",
        "Events over time",
        "Distinct events by the day they happened, per stream.",
        """
        select cast(event_time as date) as day, stream, count(*) as events
        from {staging}.stg_events
        where event_time >= (select max(event_time) - interval '60' day from {staging}.stg_events)
        group by 1, 2 order by 1, 2
        """,
        lambda rows: figures.stacked_bars(
            rows, x="day", series="stream", y="events", unit="events"
        ),
        wide=True,
    ),
    Question(
        "failed_by_reason",
        "Failed events by reason",
        "Kept with their original bytes; minilab failed lists and replays them.",
        """
        select reason, count(distinct failed_id) as events
        from {raw}.failed_events group by 1 order by 2 desc
        """,
        lambda rows: figures.ranked_bars(rows, label="reason", value="events", colour=figures.BAD),
        empty="No event failed.",
    ),
    Question(
        "landing_latency",
        "From the bus to the lake",
        "Seconds from an event's arrival on its bus to its landing.",
        """
        select stream,
               approx_percentile(seconds, 0.5) as median,
               approx_percentile(seconds, 0.9) as p90,
               approx_percentile(seconds, 0.99) as p99
        from (
            select stream, date_diff('millisecond', published_at, landed_at) / 1000.0e0 as seconds
            from {staging}.stg_events where published_at is not null
        )
        group by stream order by stream
        """,
        lambda rows: figures.grouped_bars(
            rows, x="stream", ys={"median": "median", "p90": "90 %", "p99": "99 %"}, unit="s"
        ),
    ),
    Question(
        "daily_active",
        "Active users and tenants",
        "Per day of activity.",
        """
        select activity_date as day, daily_active_users as users, daily_active_tenants as tenants
        from {marts}.daily_active_tenants
        where activity_date >= (
            select max(activity_date) - interval '60' day from {marts}.daily_active_tenants
        )
        order by 1
        """,
        lambda rows: figures.lines(rows, x="day", ys={"users": "users", "tenants": "tenants"}),
    ),
    Question(
        "activation",
        "Activation",
        "Users who went on to each step within 14 days of signing up, all sign-up weeks.",
        """
        select step, step_name, sum(users) as users
        from {marts}.activation_funnel group by 1, 2 order by 1
        """,
        lambda rows: figures.funnel(
            [{**row, "label": str(row["step_name"]).replace("_", " ")} for row in rows],
            step="label",
            value="users",
        ),
    ),
    Question(
        "mrr_movements",
        "What moved monthly recurring revenue",
        "The last twelve months, in the currency that brings most.",
        """
        with ranked as (
            select currency from {marts}.revenue_by_month
            group by 1 order by sum(closing_mrr_cents) desc limit 1
        )
        select * from (
            select month, currency,
                   opening_mrr_cents / 100.0 as opening, new_mrr_cents / 100.0 as new,
                   expansion_mrr_cents / 100.0 as expansion,
                   reactivated_mrr_cents / 100.0 as reactivated,
                   contraction_mrr_cents / 100.0 as contraction,
                   churned_mrr_cents / 100.0 as churned, closing_mrr_cents / 100.0 as closing
            from {marts}.revenue_by_month
            where currency = (select currency from ranked) and month <= current_date
            order by month desc limit 12
        ) order by month
        """,
        _money_movements,
    ),
    Question(
        "feature_adoption",
        "Feature adoption",
        "Users of each feature in the latest month.",
        """
        select feature, users, tenants, uses
        from {marts}.feature_adoption
        where period = 'month' and period_start = (
            select max(period_start) from {marts}.feature_adoption where period = 'month'
        )
        order by users desc limit 15
        """,
        lambda rows: figures.ranked_bars(rows, label="feature", value="users"),
    ),
)

QUESTIONS: tuple[Question, ...] = (*_HEADLINES, *_PANELS)


def render(answers: Mapping[str, Answer], *, made_at: datetime, deployment: str) -> str:
    """The page.

    Args:
        answers: by :attr:`Question.key`; a missing key is a question that was not asked.
        made_at: when the answers were taken (aware).
        deployment: what the page says it is about, such as the environment's name.
    """
    return render_page(
        "Mini-Lab overview",
        f"Deployment {deployment}, {made_at:%d %B %Y %H:%M %Z}. All days are UTC.",
        _tiles(answers),
        [_panel(question, answers) for question in _PANELS],
    )


def _panel(question: Question, answers: Mapping[str, Answer]) -> Panel:
    answer = answers.get(question.key, NoAnswer("This question was not asked."))
    rows = answer.rows if isinstance(answer, Rows) else ()
    problem = answer.why if isinstance(answer, NoAnswer) else ""
    if not rows and not problem:
        problem = question.empty
    return Panel(
        key=question.key,
        title=question.title,
        subtitle=question.subtitle,
        figure=question.chart(rows) if rows and question.chart else None,
        rows=rows,
        problem=problem,
        wide=question.wide,
    )


def _tiles(answers: Mapping[str, Answer]) -> list[Tile]:
    events, tenants, revenue = (_first(answers, q.key) for q in _HEADLINES)
    landed, failed = _number(events, "landed"), _number(events, "failed")
    share = None if not landed or failed is None else failed / (landed + failed)
    day = tenants.get("day")
    return [
        Tile("Events landed", _count(landed), _note(_number(events, "late"), "late")),
        Tile(
            "Distinct events",
            _count(_number(events, "staged")),
            _note(_number(events, "duplicates"), "duplicates removed"),
        ),
        Tile("Failed events", _count(failed), "" if share is None else f"{share:.2%} of arrivals"),
        Tile("Active tenants", _count(_number(tenants, "tenants")), f"on {day}" if day else ""),
        Tile("Active users", _count(_number(tenants, "users")), f"on {day}" if day else ""),
        Tile(
            f"MRR {revenue.get('currency', '')}".strip(),
            _count(_number(revenue, "mrr")),
            _note(_number(revenue, "paying_tenants"), "paying tenants"),
        ),
    ]


def _first(answers: Mapping[str, Answer], key: str) -> Row:
    answer = answers.get(key)
    return answer.rows[0] if isinstance(answer, Rows) and answer.rows else {}


def _number(row: Row, column: str) -> float | None:
    value: Any = row.get(column)
    return None if value is None else float(value)


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _note(value: float | None, what: str) -> str:
    return "" if value is None else f"{value:,.0f} {what}"
