"""The code location's one entry: everything below ``defs/`` is loaded by itself."""

from __future__ import annotations

import warnings
from pathlib import Path

import dagster as dg

# Used on purpose, and pinned: backfill policies (beta) and loading from a folder (preview).
for _category in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=_category)

_HERE = Path(__file__).parent


@dg.definitions
def defs() -> dg.Definitions:
    # `load_from_defs_folder` would also import every installed integration, to list components
    # that could be scaffolded: as long again as all the rest.
    return dg.ComponentTree.for_project(_HERE).build_defs(_HERE / "defs")
