from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from minilab.cli import cli
from minilab.errors import MinilabError
from minilab.settings import Settings


def provision(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["provision", *arguments])


def test_check_lists_what_is_missing_and_changes_nothing(settings: Settings) -> None:
    for _ in range(2):
        result = provision("--check", "--json")
        assert result.exit_code == 1
        missing = json.loads(result.stdout)["missing"]
        assert {"kind": "bucket", "name": settings.lake_bucket, "detail": "missing"} in missing


def test_provision_then_check(settings: Settings) -> None:
    created = json.loads(provision("--json").stdout)["created"]
    assert settings.table_name("landing-ledger") in [lack["name"] for lack in created]

    again = provision()
    assert again.exit_code == 0 and again.stdout == ""
    assert f"0 of {len(created)} resources" in again.stderr
    checked = provision("--check", "--json")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout) == {"missing": []}


def test_unreachable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for arguments in ([], ["--check"]):
        assert isinstance(provision(*arguments).exception, MinilabError)
