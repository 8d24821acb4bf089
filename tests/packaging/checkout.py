"""A copy of the checkout, as far as packages are made of it, with a handler to build."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.packages.settings import ROOT

STAND_IN = '''
"""A handler that imports what the platform's own ones do, and says what it found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from minilab import aws
from minilab.bus.ingest_queue import IngestQueue
from minilab.dynamodb import tables
from minilab.events.registry import load_registry
from minilab.settings import Settings

if TYPE_CHECKING:
    import pandas

logger = Logger(service="stand-in")


def lambda_handler(event, context):
    settings = Settings.from_env()
    sqs, dynamodb = aws.client("sqs", settings), aws.client("dynamodb", settings)
    return {
        "queue": IngestQueue.__name__,
        "contracts": sorted(load_registry().contracts),
        "tables": sorted(tables()),
        "services": [c.meta.service_model.service_name for c in (sqs, dynamodb)],
    }
'''


def copy_checkout(target: Path) -> Path:
    without = shutil.ignore_patterns("__pycache__")
    for folder in ("minilab", "contracts"):
        shutil.copytree(ROOT / folder, target / folder, ignore=without)
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copyfile(ROOT / name, target / name)
    (target / "minilab" / "stand_in.py").write_text(STAND_IN)
    return target
