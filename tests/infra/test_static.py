"""Terraform's own word on the form and the sense of every file."""

from __future__ import annotations

import re

import pytest
from terraform import MODULES, STACKS, Terraform


def test_everything_is_formatted(terraform: Terraform) -> None:
    terraform.run(".", "fmt", "-check", "-diff", "-recursive")


FOLDERS = [*(f"modules/{name}" for name in MODULES), *(f"stacks/{name}" for name in STACKS)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_is_valid_without_a_warning(terraform: Terraform, folder: str) -> None:
    terraform.init(folder)
    told = terraform.json(folder, "validate", "-json")
    assert told["diagnostics"] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_passes_its_own_tests(terraform: Terraform, folder: str) -> None:
    """Plans and applies with AWS mocked, and wrong values refused."""
    terraform.init(folder)
    told = terraform.run(folder, "test", "-no-color").output
    assert re.search(r"^Success! [1-9]\d* passed, 0 failed", told, re.MULTILINE), told
