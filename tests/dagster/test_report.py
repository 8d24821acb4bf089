"""The overview report, from answers made by hand."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from minilab.reports.overview import QUESTIONS, NoAnswer, Rows, render
from minilab.settings import Settings

DAYS = [date(2026, 3, day) for day in range(1, 11)]
ANSWERS = {
    "events": Rows(
        [{"landed": 12345, "staged": 12001, "failed": 55, "duplicates": 344, "late": 7}]
    ),
    "tenants": Rows([{"day": DAYS[-1], "tenants": 41, "users": 812}]),
    "revenue": Rows(
        [{"month": DAYS[0], "currency": "EUR", "mrr": Decimal("45678.50"), "paying_tenants": 33}]
    ),
    "events_over_time": Rows(
        [
            {"day": day, "stream": stream, "events": 100 * day.day + len(stream)}
            for day in DAYS
            for stream in ("billing", "product")
        ]
    ),
    "failed_by_reason": Rows(
        [{"reason": "not_json", "events": 50}, {"reason": "x<y", "events": 5}]
    ),
    "landing_latency": Rows([{"stream": "product", "median": 2.25, "p90": 5.0, "p99": 9.5}]),
    "daily_active": Rows([{"day": day, "users": 700 + day.day, "tenants": 40} for day in DAYS]),
    "activation": Rows(
        [
            {"step": 1, "step_name": "signed_up", "users": 90},
            {"step": 2, "step_name": "returned", "users": 60},
        ]
    ),
    "mrr_movements": Rows(
        [
            {
                "month": date(2026, month, 1),
                "currency": "EUR",
                "opening": Decimal(100),
                "new": Decimal(50),
                "expansion": Decimal(10),
                "reactivated": Decimal(0),
                "contraction": Decimal(5),
                "churned": Decimal(15),
                "closing": Decimal(140),
            }
            for month in (2, 3)
        ]
    ),
    "feature_adoption": Rows([{"feature": "export_csv", "users": 77, "tenants": 9, "uses": 1000}]),
}
PANELS = [question for question in QUESTIONS if question.chart is not None]


def page(answers=ANSWERS) -> str:
    return render(answers, made_at=datetime(2026, 3, 10, 8, 30, tzinfo=UTC), deployment="test")


class Page(HTMLParser):
    """What of a page a test looks at."""

    VOID = ("meta", "link", "br", "img")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.tiles: list[str] = []
        self.missing: list[str] = []
        self.figures = ""
        self._into: str | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.references += [named[name] for name in ("src", "href") if name in named]
        if tag not in self.VOID:
            self.open.append(tag)
        self._into = {"value": "tiles", "missing": "missing"}.get(named.get("class") or "")
        if named.get("id") == "figures":
            self._into = "figures"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self._into = None

    def handle_data(self, data):
        if self._into == "figures":
            self.figures += data
        elif self._into:
            getattr(self, self._into).append(data)


def test_the_page_is_whole_and_asks_nobody_for_anything() -> None:
    html = page()
    parsed = Page(html)
    assert parsed.open == []
    assert parsed.references == ["data:,"]
    own = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)  # plotly.js and ours
    assert not re.search(r"https?://|@import|url\(", own)


def test_headline_numbers_come_first() -> None:
    assert Page(page()).tiles == ["12,345", "12,001", "55", "41", "812", "45,678"]


@pytest.mark.parametrize("question", PANELS, ids=lambda q: q.key)
def test_every_question_has_its_chart_and_its_numbers(question) -> None:
    html = page()
    figures = json.loads(Page(html).figures)
    assert figures[question.key]["data"]
    article = html.split(f'id="{question.key}"')[1].split("</article>")[0]
    assert article.count("<tr>") == len(ANSWERS[question.key].rows) + 1


def test_the_waterfall_adds_up() -> None:
    (trace,) = json.loads(Page(page()).figures)["mrr_movements"]["data"]
    amounts = dict(zip(trace["x"], trace["y"], strict=True))
    assert amounts == {
        "Feb 26": 100,
        "new": 100,
        "expansion": 20,
        "reactivated": 0,
        "contraction": -10,
        "churn": -30,
        "end Mar 26": 140,
    }


@pytest.mark.parametrize("question", PANELS, ids=lambda q: q.key)
def test_a_missing_table_says_so_in_its_place(question) -> None:
    html = page({**ANSWERS, question.key: NoAnswer("There is no such table yet.")})
    parsed = Page(html)
    assert parsed.missing == ["There is no such table yet."]
    assert json.loads(parsed.figures).keys() == {q.key for q in PANELS} - {question.key}


def test_an_empty_lake_gives_a_page_that_says_so() -> None:
    parsed = Page(page({question.key: Rows([]) for question in QUESTIONS}))
    assert len(parsed.missing) == len(PANELS)
    assert "No event failed." in parsed.missing
    assert set(parsed.tiles) == {"–"}


def test_values_cannot_break_out_of_the_page() -> None:
    evil = "</script><script>alert(1)</script>"
    html = page({**ANSWERS, "failed_by_reason": Rows([{"reason": evil, "events": 1}])})
    assert evil not in html
    assert json.loads(Page(html).figures)["failed_by_reason"]["data"][0]["y"] == [evil]


def test_questions_name_the_deployments_databases() -> None:
    settings = Settings(database_prefix="acme")
    for question in QUESTIONS:
        sql = question.query(settings)
        assert "acme_" in sql
        assert "{" not in sql


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_draws_in_a_browser_without_a_network(tmp_path: Path, scheme: str, width: int) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium on the PATH (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    (tmp_path / "report.html").write_text(page())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(
            offline=True, color_scheme=scheme, viewport={"width": width, "height": 900}
        )
        tab = context.new_page()
        errors, requests = [], []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda message: errors.append(message.text))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto((tmp_path / "report.html").as_uri())
        tab.wait_for_function(
            f"document.querySelectorAll('.chart .main-svg').length >= {len(PANELS)}"
        )
        assert errors == []
        assert len(requests) == 1
        overflow = tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, "the page scrolls sideways"
        browser.close()
