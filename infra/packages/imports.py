"""What a module imports, and what that imports: read from the source, without running it.

Imports within functions count too, because they run some day. Those under ``TYPE_CHECKING`` never
do. A module named in ``leave_out`` is not followed, provided that it is only imported within
functions.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from minilab.errors import MinilabError

_FILE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}\.(?!py$)[a-z0-9]+")


class ImportsError(MinilabError):
    """The imports of a module cannot be followed."""


@dataclass
class Imports:
    """All that a module needs, itself included."""

    modules: dict[str, Path] = field(default_factory=dict)
    """The project's own, by name."""
    foreign: dict[str, str] = field(default_factory=dict)
    """Top-level names of others' packages, and the first module that imports each."""
    left_out: set[str] = field(default_factory=set)
    """Those of ``leave_out`` that were met."""

    @property
    def data_files(self) -> list[Path]:
        """Files beside a module that it names, such as ``dynamodb_tables.json``."""
        return sorted(
            path.with_name(text)
            for path in self.modules.values()
            for text in _texts(path)
            if _FILE_NAME.fullmatch(text) and path.with_name(text).is_file()
        )

    @property
    def aws_services(self) -> list[str]:
        """Services that a client is made of: ``….client("sqs", …)``."""
        return sorted({name for path in self.modules.values() for name in _clients(path)})


def walk(root: Path, entry: str, leave_out: Collection[str] = ()) -> Imports:
    """Follow the imports of module ``entry`` through the packages in folder ``root``.

    Only the package that ``entry`` is in counts as the project's own, as Lambda is given no other.

    Raises:
        ImportsError: a module is not there, or one of ``leave_out`` is needed to import ``entry``.
    """
    own = entry.partition(".")[0]
    found = Imports()
    waiting = [(entry, "packages.toml")]
    while waiting:
        name, wanted_by = waiting.pop()
        if name in found.modules:
            continue
        path = _path(root, name)
        if path is None:
            raise ImportsError(f"{wanted_by} names module {name}, which is not in {root}.")
        found.modules[name] = path
        waiting += [(parent, name) for parent in _parents(name)]
        for wanted, lazy in _imports(root, name, path):
            top = wanted.partition(".")[0]
            if top == own:
                if wanted not in leave_out:
                    waiting.append((wanted, name))
                elif lazy:
                    found.left_out.add(wanted)
                else:
                    raise ImportsError(
                        f"{wanted} is to be left out, but {name} cannot be imported without it.",
                        hint=f"Import it in {name} within the function that needs it.",
                    )
            elif top not in sys.stdlib_module_names:
                found.foreign.setdefault(top, name)
    return found


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _path(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    for path in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(root: Path, name: str, path: Path) -> Iterator[tuple[str, bool]]:
    """Names of modules, and whether the import stands within a function."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node, lazy in _statements(ast.parse(path.read_text()), lazy=False):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, lazy) for alias in names)
            case ast.ImportFrom(level=level, module=module, names=names):
                base = package[: len(package) - level + 1] if level else []
                source = ".".join([*base, *([module] if module else [])])
                yield source, lazy
                for alias in names:
                    if _path(root, f"{source}.{alias.name}") is not None:
                        yield f"{source}.{alias.name}", lazy
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[first, *_]):
                if not isinstance(first, ast.Constant):
                    raise ImportsError(
                        f"{path}:{node.lineno} imports a module by a name that is computed."
                    )
                yield str(first.value), lazy


def _statements(node: ast.AST, lazy: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for other in child.orelse:
                yield other, lazy
                yield from _statements(other, lazy)
            continue
        within = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield child, within
        yield from _statements(child, within)


def _is_type_checking(test: ast.expr) -> bool:
    return (test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")) == (
        "TYPE_CHECKING"
    )


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _clients(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="client" | "resource") | ast.Name(id="client"),
                args=[ast.Constant(value=str(service)), *_],
            ):
                yield service
