"""The Dagster UI over this code location, in a headless browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 150

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("dagster-ui")]


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no Chromium on the PATH (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="module")
def ui(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The UI's address; a webserver of its own, as a fresh clone would start it."""
    home = tmp_path_factory.mktemp("dagster-home")
    shutil.copyfile(ROOT / "minilab_local" / "dagster" / "dagster.yaml", home / "dagster.yaml")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home / "webserver.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "dagster_webserver", "-w", "workspace.yaml"),
                *("-h", "127.0.0.1", "-p", str(port)),
            ],
            cwd=ROOT,
            env={**os.environ, "DAGSTER_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            assert server.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.3)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/server_info", timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


@pytest.fixture
def tab(chromium: str, ui: str) -> Iterator[object]:
    """A browser tab; whatever goes wrong in it fails the test."""
    from playwright.sync_api import sync_playwright

    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1700, "height": 1300})
        page.set_default_timeout(90_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "response",
            lambda response: (
                errors.append(f"{response.status} {response.url}")
                if response.status >= 500
                else None
            ),
        )
        yield page
        browser.close()
    assert errors == []


def test_the_asset_graph_renders(ui: str, tab) -> None:
    groups = ("ingest", "raw", "marts", "reports")
    expanded = quote(",".join(f"global@global:{group}" for group in groups))
    tab.goto(f"{ui}/asset-groups/?expanded={expanded}")
    for name in ("billing", "product", "webhooks", "failed_events", "sessions", "overview"):
        tab.locator("foreignObject", has_text=name).first.wait_for()
    assert tab.get_by_text("Error", exact=False).count() == 0


def test_a_raw_assets_page_says_what_it_is(ui: str, tab) -> None:
    tab.goto(f"{ui}/assets/raw/product?view=overview")
    tab.get_by_text("Every accepted event as it arrived").first.wait_for()
    described = "CloudEvents id; with tenant and source it identifies the event"
    tab.get_by_text(described).first.wait_for()
    tab.get_by_text("kafka_backlog").first.wait_for()


def test_automation_lists_the_sensors_as_running(ui: str, tab) -> None:
    tab.goto(f"{ui}/automation")
    for name in ("kafka_backlog", "sqs_backlog", "automation", "daily_upkeep_schedule"):
        tab.get_by_text(name, exact=True).first.wait_for()
