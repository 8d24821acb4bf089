"""What a reader may rely on in infra/: the same files everywhere, typed and described variables."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from cloud import Cloud
from terraform import ENVIRONMENTS, INFRA, MODULES, STACKS, find_binary

FOLDERS = [f"modules/{name}" for name in MODULES] + [f"stacks/{name}" for name in STACKS]
VERSIONS = {"required_version": ">= 1.11", "aws": "~> 5.100"}


def load_tool(name: str) -> ModuleType:
    """One of the generators, which are no part of any package."""
    path = INFRA / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


module_docs = load_tool("module_docs")
raw_tables = load_tool("raw_tables")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_has_the_same_files(folder: str) -> None:
    expected = {"main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md", "tests"}
    if folder.startswith("stacks/"):
        expected |= {"providers.tf"}
    found = {path.name for path in (INFRA / folder).iterdir() if not path.name.startswith(".")}
    assert found == expected


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_variable_and_output_is_described_and_typed(folder: str) -> None:
    for file in ("variables.tf", "outputs.tf"):
        for block in module_docs.blocks_of(INFRA / folder, file):
            assert block.description.endswith("."), f"{block.name} is not described in a sentence"
            if block.kind == "variable":
                assert "type" in block.attributes, block.name
                assert block.attributes["type"].strip() != "any", block.name


@pytest.mark.parametrize("folder", FOLDERS)
def test_versions_are_the_same_everywhere(folder: str) -> None:
    text = (INFRA / folder / "versions.tf").read_text()
    assert re.findall(r'required_version = "([^"]+)"', text) == [VERSIONS["required_version"]]
    assert re.findall(r"^    (\w+) = \{", text, re.MULTILINE) == ["aws"], "only the aws provider"
    assert re.findall(r'version = "(~>[^"]+)"', text) == [VERSIONS["aws"]]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_tables_in_the_readme_are_up_to_date(folder: str) -> None:
    readme = (INFRA / folder / "README.md").read_text()
    new = module_docs.with_tables(readme, module_docs.tables(INFRA / folder))
    assert readme == new, "run: python infra/tools/module_docs.py"


def test_the_raw_tables_are_those_of_the_code() -> None:
    assert raw_tables.TARGET.read_text() == raw_tables.document(), (
        "run: python infra/tools/raw_tables.py"
    )


def test_the_table_of_a_variable_tells_all_of_it() -> None:
    text = """variable "callers" {
  description = "Who may call: <any> of a|b."
  type = map(object({
    account_id = string
    roles      = optional(list(string), [])
  }))
  default = {}

  validation {
    condition     = true
    error_message = "No."
  }
}

variable "name" {
  description = "Its name."
  type        = string
}
"""
    callers, name = module_docs.blocks(text)
    assert (callers.name, callers.validations) == ("callers", 1)
    assert module_docs._type(callers) == (
        "`map(object({account_id = string, roles = optional(list(string), [])}))`"
    )
    assert module_docs._default(callers) == "`{}`"
    assert module_docs._cell(callers.description) == "Who may call: &lt;any> of a\\|b."
    assert module_docs._default(name) == "required"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_has_a_file_of_variables_for_each_stack(environment: str) -> None:
    found = {path.name for path in (INFRA / "environments" / environment).iterdir()}
    assert found == {"backend.hcl", "common.tfvars", *(f"{stack}.tfvars" for stack in STACKS)}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("stack", STACKS)
def test_an_environment_sets_what_a_stack_requires_and_nothing_else(
    environment: str, stack: str
) -> None:
    folder = INFRA / "environments" / environment
    given = {
        name
        for file in ("common.tfvars", f"{stack}.tfvars")
        for name in re.findall(r"^(\w+) *=", (folder / file).read_text(), re.MULTILINE)
    }
    declared = module_docs.blocks_of(INFRA / "stacks" / stack, "variables.tf")
    assert given <= {block.name for block in declared}
    assert {block.name for block in declared if "default" not in block.attributes} <= given


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_alarms_know_the_form_in_which_the_processor_runs(environment: str) -> None:
    folder = INFRA / "environments" / environment
    runs_on = [
        re.findall(rf'^{name} *= "(\w+)"', (folder / f"{stack}.tfvars").read_text(), re.MULTILINE)
        for stack, name in (("events", "runs_on"), ("monitoring", "processor_runs_on"))
    ]
    assert runs_on in ([["lambda"]] * 2, [["ecs"]] * 2)


def test_every_module_and_stack_is_on_the_map() -> None:
    readme = (INFRA / "README.md").read_text()
    for folder in FOLDERS:
        assert f"({folder}/)" in readme, f"{folder} is not linked in infra/README.md"


def test_the_list_of_stubs_is_in_the_readme(cloud: Cloud) -> None:
    """What only a stub answered is not proven against AWS, and the reader is told so."""
    readme = (INFRA / "README.md").read_text()
    listed = set(re.findall(r"^\| `([\w-]+)` \| `(\w+)` \|", readme, re.MULTILINE))
    assert listed == {(stub["service"], stub["action"]) for stub in cloud.stubs}


def test_a_missing_terraform_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binary() is None
