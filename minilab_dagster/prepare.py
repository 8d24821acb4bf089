"""``python -m minilab_dagster.prepare``: make the dbt manifest ready, if it is missing or stale."""

from __future__ import annotations

import sys

from minilab.errors import MinilabError
from minilab_dagster.dbt_project import ensure_manifest


def main() -> int:
    try:
        print(ensure_manifest(on_progress=lambda text: print(text, file=sys.stderr)))
    except MinilabError as error:
        print(f"minilab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
