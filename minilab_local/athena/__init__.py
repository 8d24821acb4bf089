"""An Athena that executes: parse, resolve, rewrite, execute, commit, answer.

It runs inside the moto server's process, behind moto's Athena endpoint. `install` puts it there.
"""

from __future__ import annotations


def install() -> None:
    """Put the engine behind Athena's URL of the moto server that this process will start.

    Call it before the server starts. Calling it again changes nothing.
    """
    from moto.athena import urls

    from minilab_local.athena.responses import AthenaResponse

    urls.url_paths["{0}/$"] = AthenaResponse.dispatch
