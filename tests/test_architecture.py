"""The promises of the layout, held against the source of every module."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("minilab", "minilab_dagster", "minilab_local")

# What each package may import of the project, itself aside.
ALLOWED = {
    "minilab": (),
    "minilab_dagster": ("minilab",),
    "minilab_local": ("minilab.settings", "minilab.errors"),
}

MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
CLOUD_OR_LAPTOP = sorted(
    path
    for folder in ("minilab", "minilab_dagster", "dbt_athena", "infra")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".sql", ".yml", ".yaml", ".tf", ".toml"}
    and not {"target", "logs", "dbt_packages", ".terraform"} & set(path.relative_to(ROOT).parts)
)


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def imports(path: Path) -> Iterator[str]:
    """Absolute names of all modules (and names within them) that a module imports, anywhere."""
    package = list(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(level=level):
                base = package[: len(package) - level + 1] if level else []
                source = ".".join([*base, *([node.module] if node.module else [])])
                yield from (f"{source}.{alias.name}" for alias in node.names)
            case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="__import__")):
                if node.args and isinstance(node.args[0], ast.Constant):
                    yield str(node.args[0].value)


def within(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


@pytest.mark.parametrize("path", named(MODULES))
def test_imports_point_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    allowed = (package, *ALLOWED[package])
    wrong = [
        name
        for name in imports(path)
        if any(within(name, ours) for ours in PACKAGES)
        and not any(within(name, module) for module in allowed)
    ]
    assert not wrong, f"{package} may import {allowed} of this project"


def test_imports_within_functions_are_seen_too() -> None:
    source = ROOT / "minilab" / "provision.py"
    assert "    from minilab.lake.glue import ensure_tables" in source.read_text()
    assert "minilab.lake.glue.ensure_tables" in set(imports(source))


@pytest.mark.parametrize("path", named(CLOUD_OR_LAPTOP))
def test_nothing_knows_whether_aws_is_real(path: Path) -> None:
    """The laptop is a set of endpoints in the environment, which AWS's own clients read."""
    telltale = re.compile(
        r"localhost|127\.0\.0\.1|\bmoto\b|minilab_local|endpoint_url|AWS_ENDPOINT_URL",
        re.IGNORECASE,
    )
    assert not [line for line in code_of(path).splitlines() if telltale.search(line)]


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def code_of(path: Path) -> str:
    """A file without its comments, and a module without its docstrings."""
    if path.suffix != ".py":
        return re.sub(r"(#|--).*", "", path.read_text())
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        for name, block in ast.iter_fields(node):
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                kept = [s for s in block if not _is_text(s)]
                setattr(node, name, kept or [ast.Pass()])
    return ast.unparse(tree)


COMMANDS = {point.name: point for point in entry_points(group="minilab.commands")}


def with_subcommands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for sub, inner in command.commands.items():
            yield from with_subcommands(f"{name} {sub}", inner)
    else:
        yield name, command


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(name: str) -> None:
    command = COMMANDS[name].load()
    assert isinstance(command, click.Command)
    for full, each in with_subcommands(name, command):
        result = CliRunner().invoke(each, ["--help"], prog_name=f"minilab {full}")
        assert result.exit_code == 0
        assert "Example" in result.output, f"minilab {full} --help shows no example"
        assert f"minilab {full}" in result.output.split("Example")[1], full


def test_commands_load_without_what_is_heavy() -> None:
    heavy = (
        "awswrangler boto3 confluent_kafka dagster dbt duckdb moto pandas plotly pyarrow pyiceberg"
    )
    program = (
        "import sys\n"
        "from importlib.metadata import entry_points\n"
        "for point in entry_points(group='minilab.commands'): point.load()\n"
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert not silent
