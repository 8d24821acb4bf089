"""Takes the README's screenshots of a running Mini-Lab.

    minilab up --traffic 5                        # in one terminal; give it some minutes
    python docs/screenshots.py                    # in another

Needs Chromium on the PATH (Debian: apt-get install chromium). Writes ``docs/images/*.png``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:3000", help="the Dagster UI")
    parser.add_argument("--report", type=Path, default=_report(), help="the report's HTML file")
    arguments = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    with _browser() as browser:
        _asset_graph(browser, arguments.url)
        _asset_page(browser, arguments.url)
        _report_page(browser, arguments.report)
    return 0


def _report() -> Path:
    home = Path(os.environ.get("MINILAB_HOME", ".minilab"))
    return home / "reports" / f"overview-{os.environ.get('MINILAB_ENV', 'dev')}.html"


@contextmanager
def _browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("No Chromium on the PATH. On Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def _asset_graph(browser: Any, url: str) -> None:
    page = browser.new_page(viewport={"width": 1700, "height": 1330})
    groups = ",".join(f"global@global:{group}" for group in ("ingest", "raw", "marts", "reports"))
    page.goto(f"{url}/asset-groups/?expanded={quote(groups)}")
    page.locator("foreignObject", has_text="overview").first.wait_for(timeout=120_000)
    page.wait_for_timeout(4_000)  # the layout is computed in a worker and then animated
    _take(page, "asset-graph.png")


def _asset_page(browser: Any, url: str) -> None:
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.goto(f"{url}/assets/raw/product?view=overview")
    plots = page.get_by_text("Plots", exact=True)
    plots.click(timeout=60_000)
    page.get_by_text("Events", exact=True).last.click()  # by materialization, not by partition
    page.locator("canvas").first.wait_for(timeout=60_000)
    plots.evaluate("element => element.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(1_500)
    _take(page, "raw-asset.png")


def _report_page(browser: Any, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 1100})
    page.goto(report.resolve().as_uri())
    page.locator(".main-svg").first.wait_for()
    page.wait_for_timeout(1_000)
    _take(page, "report.png")


def _take(page: Any, name: str) -> None:
    path = IMAGES / name
    page.screenshot(path=path)
    print(f"{path} {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    sys.exit(main())
