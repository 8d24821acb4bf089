"""Reports for people, made from the marts."""

from datetime import UTC, datetime

import dagster as dg

from minilab.lake.layout import REPORTS_PREFIX, s3_uri
from minilab_dagster import names
from minilab_dagster.automation import BUILT_DAILY, follow_upstream
from minilab_dagster.platform import Platform

_LATEST = f"{REPORTS_PREFIX}overview.html"
_MARTS = (
    "activation_funnel",
    "daily_active_tenants",
    "event_quality",
    "feature_adoption",
    "revenue_by_month",
)


@dg.asset(
    key=names.OVERVIEW,
    deps=[dg.AssetKey([names.MARTS, name]) for name in _MARTS],
    group_name=names.REPORTS,
    owners=[names.ANALYTICS_TEAM],
    kinds={"html", "plotly", "s3"},
    automation_condition=follow_upstream(),
    freshness_policy=BUILT_DAILY,
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
)
def overview(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """One HTML file with the state of the business and of the platform; opens offline."""
    from minilab.reports.overview import QUESTIONS, NoAnswer, render

    settings, made_at = platform.settings, datetime.now(UTC)
    answers = platform.ask({q.key: q.query(settings) for q in QUESTIONS})
    for key, answer in answers.items():
        if isinstance(answer, NoAnswer):
            context.log.warning("%s: %s", key, answer.why)
    page = render(answers, made_at=made_at, deployment=settings.env).encode()
    dated = f"{REPORTS_PREFIX}overview/dt={made_at:%Y-%m-%d}/overview-{made_at:%H%M%S}.html"
    path = platform.publish(page, keys=[dated, _LATEST])
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(path)),
            "open": dg.MetadataValue.url(path.as_uri()),
            "dagster/uri": s3_uri(settings.lake_bucket, _LATEST),
            "size_bytes": len(page),
            "charts_missing": sum(isinstance(a, NoAnswer) for a in answers.values()),
        }
    )
