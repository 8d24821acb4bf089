"""Write the table of modules into docs/infrastructure.md: what each is for, and what it makes.

    python infra/tools/module_table.py

What it is for is the beginning of the module's README; what it makes is in its ``main.tf``.
"""

from __future__ import annotations

import re
from pathlib import Path

INFRA = Path(__file__).resolve().parents[1]
PAGE = INFRA.parent / "docs" / "infrastructure.md"
BEGIN, END = "<!-- infra/tools/module_table.py writes from here -->", "<!-- to here -->"


def table(infra: Path = INFRA) -> str:
    """The table, a line for each module."""
    lines = ["| module | is for | makes |", "|---|---|---|"]
    for folder in sorted((infra / "modules").iterdir()):
        text = (folder / "main.tf").read_text()
        made = sorted(set(re.findall(r'^resource "aws_(\w+)"', text, re.MULTILINE)))
        used = sorted(set(re.findall(r'^  source += +"\.\./([\w-]+)"', text, re.MULTILINE)))
        parts = [f"`{kind}`" for kind in made] + [
            f"[{name}](../infra/modules/{name}/)" for name in used
        ]
        purpose = _first_sentence((folder / "README.md").read_text())
        lines.append(
            f"| [{folder.name}](../infra/modules/{folder.name}/) | {purpose} | {', '.join(parts)} |"
        )
    return "\n".join(lines)


def _first_sentence(readme: str) -> str:
    """Of the first paragraph, without links, up to the end of its first sentence."""
    paragraph = readme.split("\n\n")[1].replace("\n", " ")
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", paragraph)
    return re.split(r"(?<=\.) ", plain)[0].rstrip(".").replace("|", "\\|") + "."


def with_table(page: str, new: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{new}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(), table()))
    print(f"written: {PAGE}")
