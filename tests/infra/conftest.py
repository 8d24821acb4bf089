"""Fixtures for ``infra/``: Terraform on a copy of it, and a cloud of the tests' own.

All tests here carry the marker ``infra``. One worker runs what needs the deployment, which is
minutes of waiting, and another the rest meanwhile. What starts Terraform's AWS provider is ``slow``
as well, so that ``make test`` stays quick.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from cloud import Cloud, running_cloud
from deployment import Deployment, deploy
from terraform import Terraform, prepare, running_provider

from tests.support.aws_calls.recording import Call, read
from tests.support.aws_calls.scenario import CALLS, record_platform

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE not in item.path.parents:
            continue
        used = set(getattr(item, "fixturenames", ()))
        item.add_marker(pytest.mark.infra)
        item.add_marker(pytest.mark.xdist_group("deployment" if "deployment" in used else "infra"))
        if {"terraform", "deployment"} & used:
            item.add_marker(pytest.mark.slow)


def own_copy(tmp_path_factory: pytest.TempPathFactory, name: str) -> Terraform:
    prepared = prepare(tmp_path_factory.mktemp(name))
    if prepared is None:
        pytest.skip("terraform is not on the PATH: nothing of infra/ is validated or applied here")
    return prepared


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    """Terraform on a copy of ``infra/`` where AWS is mocked and no backend was ever configured."""
    with running_provider(own_copy(tmp_path_factory, "terraform")) as terraform:
        yield terraform


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """A moto server with the extension, empty."""
    with running_cloud() as cloud:
        yield cloud


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Future[list[Call]]:
    """Every call that the parts of the platform make; recorded while others wait."""
    folder = tmp_path_factory.mktemp("platform")

    def record() -> list[Call]:
        record_platform(folder)
        return list(read(folder / CALLS))

    return ThreadPoolExecutor(1).submit(record)


@pytest.fixture(scope="session")
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cloud: Cloud
) -> Deployment:
    """Every stack of the environment ``dev``, applied in its order; takes minutes.

    So it tells how far it is, past pytest's capture. Whatever of the tests can be under way in
    those minutes is started first.
    """
    terraform = own_copy(tmp_path_factory, "deployment")
    if any("recording" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("recording")
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        return deploy(terraform, cloud)


@pytest.fixture(scope="session")
def account_ids(deployment: Deployment) -> dict[str, str]:
    """Ids of the accounts, by name."""
    return dict(deployment.outputs("organization")["account_ids"])
