"""What infra/README.md tells a person to do can be done: its commands name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from terraform import ENVIRONMENTS, INFRA, STACKS
from test_layout import load_tool

from infra.tools import tf
from minilab.cli import cli as minilab

ROOT = INFRA.parent
PAGE = (INFRA / "README.md").read_text()
TERRAFORM = {
    *("apply", "console", "destroy", "force-unlock", "import", "init", "output", "plan", "state"),
}
module_docs = load_tool("module_docs")
module_table = load_tool("module_table")


def commands(page: str) -> list[str]:
    """The commands of a page's console blocks, with lines that go on joined."""
    blocks = re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def in_prose(page: str) -> list[str]:
    """Commands in running text and tables."""
    return re.findall(r"`((?:infra/tf|minilab) [^`]+)`", page)


def variables(stack: str) -> set[str]:
    return {block.name for block in module_docs.blocks_of(INFRA / "stacks" / stack, "variables.tf")}


def outputs(stack: str) -> set[str]:
    return {block.name for block in module_docs.blocks_of(INFRA / "stacks" / stack, "outputs.tf")}


TOLD = commands(PAGE) + in_prose(PAGE) + commands((ROOT / "README.md").read_text())


def test_the_page_has_commands() -> None:
    assert len(TOLD) > 40


@pytest.mark.parametrize("line", [line for line in TOLD if "infra/tf " in line])
def test_infra_tf_is_called_with_what_is_there(line: str) -> None:
    for called in re.findall(r"infra/tf ([^;|)&>#\"]+)", line):
        environment, stack, command, *rest = called.split()
        assert environment in ("$ENV", *ENVIRONMENTS, "…"), called
        assert stack in STACKS, called
        if command in ("begin", "move"):
            assert stack == "bootstrap", called
        elif command == "profiles":
            assert stack == "organization", called
        elif command == "exports":
            assert stack in tf.ACCOUNT_OF, called
            assert "environment" in outputs(stack), called
        else:
            assert command in TERRAFORM, called
        if command == "output":
            name = next(name for name in rest if not name.startswith("-"))
            assert name in outputs(stack), called
        for name in re.findall(r"-var[ =](\w+)=", called):
            assert name in variables(stack), called


@pytest.mark.parametrize("line", [line for line in TOLD if re.search(r"\bminilab [a-z]", line)])
def test_minilab_has_the_commands(line: str) -> None:
    for called in re.findall(r"(?<![\w/-])minilab ([a-z][^;|)#\"'$>]*)", line):
        command: click.Command = minilab
        context = click.Context(minilab)
        words = called.partition("  ")[0].split()
        while isinstance(command, click.Group) and words:
            found = command.get_command(context, words[0])
            assert found is not None, f"minilab {called}"
            command, words = found, words[1:]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, f"minilab {called}"


@pytest.mark.parametrize("line", [line for line in TOLD if line.startswith("make ")])
def test_make_has_the_targets(line: str) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line.split()[1] in targets


@pytest.mark.parametrize("line", TOLD)
def test_the_files_are_there(line: str) -> None:
    for path in re.findall(r"(?<![\w/.$-])(infra/(?!tf\b)[\w/.-]+)", line):
        assert (ROOT / path).exists(), path


def test_every_stack_is_applied_in_the_order_of_the_map() -> None:
    page = PAGE[PAGE.index("### 3.") : PAGE.index("### 9.")]
    applied = re.findall(r"infra/tf \$ENV ([\w-]+) (?:begin|apply)", page)
    mapped = re.findall(r"^\| \[([\w-]+)\]\(stacks/", PAGE, re.MULTILINE)
    assert list(dict.fromkeys(applied)) == mapped


def test_stacks_are_destroyed_in_the_reverse_order() -> None:
    destroyed = re.findall(r"infra/tf \$ENV ([\w-]+) destroy", PAGE)
    mapped = re.findall(r"^\| \[([\w-]+)\]\(stacks/", PAGE, re.MULTILINE)
    kept = {"bootstrap", "organization", "security"}
    assert destroyed == [stack for stack in reversed(mapped) if stack not in kept]


def test_the_table_of_what_to_write_names_variables_of_their_stacks() -> None:
    section = PAGE[PAGE.index("### 2.") : PAGE.index("### 3.")]
    rows = re.findall(r"^\| `([\w-]+)\.(tfvars|hcl)` \| (.*?) \|", section, re.MULTILINE)
    assert len(rows) >= 10
    for file, kind, cell in rows:
        named = set(re.findall(r"`(\w+)`", cell))
        for environment in ENVIRONMENTS:
            path = INFRA / "environments" / environment / f"{file}.{kind}"
            assert path.exists()
            if kind == "hcl":
                assert named <= set(re.findall(r"^(\w+) +=", path.read_text(), re.MULTILINE))
            elif file != "common":
                assert named <= variables(file), file


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_placeholder_is_told(environment: str) -> None:
    """What nobody can deploy with is in the table of what to write."""
    section = PAGE[PAGE.index("### 2.") : PAGE.index("### 3.")]
    for path in sorted((INFRA / "environments" / environment).iterdir()):
        for line in path.read_text().splitlines():
            if re.search(r"example(\.com|/)|0{12}", line):
                assert f"| `{path.name}` |" in section, f"{path.name}: {line}"


def test_packages_are_built_where_the_stacks_look() -> None:
    from infra.packages.__main__ import build

    (out,) = [parameter.default for parameter in build.params if parameter.name == "out"]
    for stack in ("ingestion", "events"):
        (block,) = [
            block
            for block in module_docs.blocks_of(INFRA / "stacks" / stack, "variables.tf")
            if block.name == "package_manifest"
        ]
        looked = block.attributes["default"].strip().strip('"')
        found = (INFRA / "stacks" / stack / looked).resolve()
        assert found == Path(out) / "manifest.json"


def test_topics_are_made_as_minilab_would() -> None:
    from minilab.events.registry import load_registry
    from minilab.provision import _MAX_REPLICAS, RETENTION_SECONDS

    (line,) = [line for line in TOLD if "create-topic" in line]
    stream = load_registry().streams["product"]
    assert f"--topic-name minilab-$ENV-{stream.name} --partition-count {stream.partitions}" in line
    assert f"--replication-factor {_MAX_REPLICAS}" in line
    assert f'"retention.ms": "{RETENTION_SECONDS * 1000}"' in line


def test_the_table_of_modules_is_up_to_date() -> None:
    page = module_table.PAGE.read_text()
    assert page == module_table.with_table(page, module_table.table()), (
        "run: python infra/tools/module_table.py"
    )
