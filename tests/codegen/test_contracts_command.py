"""`minilab contracts sync|check` on a copy of the checkout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from minilab.cli.contracts import contracts
from minilab.codegen.staging import STAGING_FOLDER
from minilab.events.registry import load_registry

ROOT = Path(__file__).parents[2]
Run = Callable[..., Result]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the command reads and writes."""
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts")
    shutil.copytree(ROOT / STAGING_FOLDER, tmp_path / STAGING_FOLDER)
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs/events.md", tmp_path / "docs/events.md")
    monkeypatch.setenv("MINILAB_CONTRACTS_DIR", str(tmp_path / "contracts"))
    return tmp_path


@pytest.fixture
def run(checkout: Path) -> Run:
    def invoke(*arguments: str) -> Result:
        load_registry.cache_clear()
        result = CliRunner().invoke(contracts, list(arguments))
        load_registry.cache_clear()
        return result

    return invoke


def write_contract(checkout: Path, name: str, **changes: object) -> Path:
    path = checkout / "contracts" / f"{name}.json"
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "A report was exported.",
        "type": "object",
        "properties": {"report_id": {"type": "string", "description": "The report."}},
        "required": ["report_id"],
        **changes,
    }
    path.write_text(json.dumps(schema))
    return path


def test_the_checkout_is_up_to_date(run: Run) -> None:
    """What is committed follows from the contracts: run `minilab contracts sync` where it fails."""
    result = run("check")
    assert result.exit_code == 0, result.output


def test_a_new_event_type_is_one_file(run: Run, checkout: Path) -> None:
    write_contract(checkout, "product.report_exported.v1")
    stale = run("check")
    assert stale.exit_code == 1
    assert "add" in stale.output and "stg_product__report_exported_v1.sql" in stale.output
    assert not (checkout / STAGING_FOLDER / "stg_product__report_exported_v1.sql").exists()

    written = run("sync")
    assert written.exit_code == 0
    assert (checkout / STAGING_FOLDER / "stg_product__report_exported_v1.sql").is_file()
    assert "product.report_exported.v1" in (checkout / "docs/events.md").read_text()
    assert run("check").exit_code == 0


def test_sync_writes_only_what_changed_and_deletes_what_no_contract_asks_for(
    run: Run, checkout: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (checkout / STAGING_FOLDER).iterdir()}
    (checkout / "contracts/product.page_viewed.v1.json").unlink()
    result = run("sync", "--json")
    assert result.exit_code == 0
    done = {Path(c["path"]).name: c["action"] for c in json.loads(result.stdout)["written"]}
    assert done == {
        "stg_product__page_viewed_v1.sql": "delete",
        "_generated.yml": "change",
        "events.md": "change",
    }
    after = {path: path.stat().st_mtime_ns for path in (checkout / STAGING_FOLDER).iterdir()}
    untouched = after.keys() - {checkout / STAGING_FOLDER / "_generated.yml"}
    assert {path: after[path] for path in untouched} == {path: before[path] for path in untouched}


@pytest.mark.parametrize("command", [["check"], ["sync", "--check"]])
def test_an_edited_file_is_stale(run: Run, checkout: Path, command: list[str]) -> None:
    edited = checkout / STAGING_FOLDER / "stg_product__page_viewed_v1.sql"
    text = edited.read_text()
    edited.write_text(text + "-- by hand\n")
    result = run(*command)
    assert result.exit_code == 1
    assert f"change {STAGING_FOLDER}/{edited.name}  +0 -1" in result.output
    assert edited.read_text().endswith("-- by hand\n")
    assert run("sync").exit_code == 0
    assert edited.read_text() == text


def test_a_contract_that_is_wrong_stops_sync(run: Run, checkout: Path) -> None:
    write_contract(
        checkout,
        "product.report_exported.v1",
        properties={"reportId": {"type": "string", "description": "The report."}},
        required=[],
    )
    result = run("sync")
    assert result.exit_code == 1
    assert "contracts/product.report_exported.v1.json" in result.output
    assert "'reportId' cannot be a column's name" in result.output
    assert not (checkout / STAGING_FOLDER / "stg_product__report_exported_v1.sql").exists()


def test_a_folder_that_is_no_checkout_is_refused(run: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = run("sync", "--root", str(elsewhere))
    assert result.exit_code != 0
    assert "has no dbt_athena/ folder" in str(result.exception)
