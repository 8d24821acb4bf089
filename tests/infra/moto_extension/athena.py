"""Athena: a data catalog can be removed again."""

from __future__ import annotations

import json

from moto.athena.responses import AthenaResponse

from .registry import stub


@stub(AthenaResponse, "DeleteDataCatalog", "missing in moto")
def delete_data_catalog(self: AthenaResponse) -> str:
    self.athena_backend.data_catalogs.pop(self._get_param("Name"), None)
    return json.dumps({})
