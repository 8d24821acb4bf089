"""Pages keep their word: links lead somewhere, and tests that are named exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "bench" / "README.md", *(ROOT / "docs").rglob("*.md")]
    + [path for path in (ROOT / "infra").rglob("*.md") if ".terraform" not in path.parts]
)


def _without_code(page: str) -> str:
    return re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)


def _anchors(page: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _without_code(page), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(page.read_text())):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{target} is not there"
        if anchor and found.suffix == ".md":
            assert anchor in _anchors(found.read_text()), f"{target}: no such heading"


def test_every_test_that_a_page_names_exists() -> None:
    tests = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in [
            path.stem,
            *re.findall(r"^\s*(?:async )?def (test_\w+)", path.read_text(), re.M),
        ]
    }
    named = {
        name: page.relative_to(ROOT)
        for page in PAGES
        for name in re.findall(r"\b(test_\w+)", page.read_text())
    }
    assert len(named) > 50, "the pages name no tests any more"
    assert not {name: str(page) for name, page in named.items() if name not in tests}


def test_every_proof_of_the_security_page_is_used_and_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    numbered = re.findall(r"^\| (\d+) \| .* \| `test_\w+` in \[", page, re.MULTILINE)
    assert numbered == [str(number + 1) for number in range(len(numbered))]
    assert set(re.findall(r"\[(\d+)\]\(#proofs\)", page)) == set(numbered)
