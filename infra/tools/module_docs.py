"""Write the tables of inputs and outputs into the README of every module and stack.

    python infra/tools/module_docs.py            write them
    python infra/tools/module_docs.py --check    say which are out of date, and fail

The tables stand between two marker lines; everything else in a README is written by hand. Reading
rests on ``terraform fmt``: a top-level block ends with a brace in the first column, and what it
holds directly is indented by two spaces.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

INFRA = Path(__file__).resolve().parents[1]
BEGIN = "<!-- tables: written by infra/tools/module_docs.py -->"
END = "<!-- end of tables -->"

_BLOCK = re.compile(r'^(variable|output) "([^"]+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_ATTRIBUTE = re.compile(r"^  (\w+) +?= ", re.MULTILINE)
_INNER = re.compile(r"^  (\w+) \{$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One variable or output: its name, and the text of each attribute it has."""

    kind: str
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    validations: int = 0

    @property
    def description(self) -> str:
        """The description without its quotes; empty when there is none."""
        return self.attributes.get("description", "").strip().strip('"')


def blocks(text: str) -> Iterator[Block]:
    """The variables and outputs in the text of a formatted ``.tf`` file, in its order."""
    for kind, name, body in _BLOCK.findall(text):
        starts = list(_ATTRIBUTE.finditer(body))
        stops = sorted([match.start() for match in (*starts, *_INNER.finditer(body))] + [len(body)])
        attributes = {
            match[1]: body[match.end() : next(stop for stop in stops if stop > match.start())]
            for match in starts
        }
        validations = sum(match[1] == "validation" for match in _INNER.finditer(body))
        yield Block(kind, name, attributes, validations)


def blocks_of(folder: Path, file: str) -> list[Block]:
    path = folder / file
    return list(blocks(path.read_text())) if path.exists() else []


def tables(folder: Path) -> str:
    """The generated part of a folder's README, markers included."""
    inputs = blocks_of(folder, "variables.tf")
    outputs = blocks_of(folder, "outputs.tf")
    lines = [BEGIN, ""]
    if inputs:
        lines += ["| input | type | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{each.name}` | {_type(each)} | {_default(each)} | {_cell(each.description)} |"
            for each in inputs
        ]
    else:
        lines.append("No inputs.")
    lines.append("")
    if outputs:
        lines += ["| output | meaning |", "|---|---|"]
        lines += [f"| `{each.name}` | {_cell(each.description)} |" for each in outputs]
    else:
        lines.append("No outputs.")
    return "\n".join([*lines, "", END])


def with_tables(readme: str, new: str) -> str:
    """A README with its tables replaced, or added at its end."""
    if BEGIN not in readme:
        return f"{readme.rstrip()}\n\n{new}\n"
    before, rest = readme.split(BEGIN, 1)
    return before + new + rest.split(END, 1)[1]


def _type(block: Block) -> str:
    """The type on one line, as code."""
    text = block.attributes.get("type", "any").strip()
    text = re.sub(r" +=", " =", text)
    text = re.sub(r"([({])\n\s*", r"\1", text)
    text = re.sub(r"\n\s*([)}])", r"\1", text)
    text = re.sub(r"\n\s*", ", ", text)
    return f"`{_code(text)}`"


def _default(block: Block) -> str:
    if "default" not in block.attributes:
        return "required"
    text = re.sub(r"\s+", " ", block.attributes["default"]).strip()
    return f"`{_code(text)}`"


def _code(text: str) -> str:
    """Text for a code span within a cell."""
    return text.replace("|", "\\|")


def _cell(text: str) -> str:
    """Text for a cell: an angle bracket would begin a tag."""
    return _code(text).replace("<", "&lt;")


def documented() -> list[Path]:
    """Every folder that has a README with tables."""
    return sorted(path for kind in ("modules", "stacks") for path in (INFRA / kind).iterdir())


def main(arguments: list[str]) -> int:
    stale = []
    for folder in documented():
        readme = folder / "README.md"
        old = readme.read_text() if readme.exists() else f"# {folder.name}\n"
        new = with_tables(old, tables(folder))
        if new != old:
            stale.append(str(readme.relative_to(INFRA.parent)))
            if "--check" not in arguments:
                readme.write_text(new)
    for name in stale:
        print(("out of date: " if "--check" in arguments else "written: ") + name)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
