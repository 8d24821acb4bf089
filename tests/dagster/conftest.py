"""The code location as Dagster loads it, and instances to run it in."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from minilab_dagster.dbt_project import target_dir

if TYPE_CHECKING:
    from tests.conftest import Lab


@pytest.fixture(scope="session")
def definitions() -> dg.Definitions:
    """Everything, as `dagster dev` would load it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from minilab_dagster.definitions import defs

        return defs()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of this test's own."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture(scope="module")
def lab_target(lab: Lab) -> Iterator[None]:
    """Removes what dbt leaves in the checkout for this module's deployment."""
    yield
    shutil.rmtree(target_dir(lab.environ), ignore_errors=True)
