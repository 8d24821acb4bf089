"""Terraform's own word on the form and the sense of every file."""

from __future__ import annotations

import pytest
from terraform import MODULES, STACKS, Terraform


def test_everything_is_formatted(terraform: Terraform) -> None:
    terraform.run(".", "fmt", "-check", "-diff", "-recursive")


@pytest.mark.parametrize(
    "folder", [*(f"modules/{name}" for name in MODULES), *(f"stacks/{name}" for name in STACKS)]
)
def test_it_is_valid_without_a_warning(terraform: Terraform, folder: str) -> None:
    terraform.init(folder)
    told = terraform.json(folder, "validate", "-json")
    assert told["diagnostics"] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_passes_its_own_tests(terraform: Terraform, name: str) -> None:
    """Plans and applies with AWS mocked, and wrong values refused."""
    terraform.init(f"modules/{name}")
    told = terraform.run(f"modules/{name}", "test", "-no-color").output
    assert "Success!" in told
    assert "0 passed" not in told, "a module without a test"
