"""The shared fixtures themselves: a lab is provisioned, and apart from every other."""

from __future__ import annotations

import os

from minilab.settings import Settings
from tests.conftest import Lab


def buckets(lab: Lab) -> set[str]:
    return {bucket["Name"] for bucket in lab.client("s3").list_buckets()["Buckets"]}


def test_a_lab_is_provisioned_under_its_own_names(lab: Lab) -> None:
    assert Settings.from_env() == lab.settings
    assert {lab.settings.lake_bucket, lab.settings.results_bucket} <= buckets(lab)
    database = lab.client("glue").get_database(Name=lab.settings.raw_database)["Database"]
    assert database["Name"] == lab.settings.raw_database
    assert lab.environ["AWS_ENDPOINT_URL"] == os.environ["AWS_ENDPOINT_URL"]
    assert "AWS_PROFILE" not in lab.environ


def test_two_labs_share_nothing(lab: Lab, fresh_lab: Lab) -> None:
    assert lab.settings.env != fresh_lab.settings.env
    assert lab.settings.raw_database != fresh_lab.settings.raw_database
    assert {lab.settings.lake_bucket, fresh_lab.settings.lake_bucket} <= buckets(fresh_lab)
