"""Athena's API actions (Amazon Athena API Reference), answered by the engine."""

from __future__ import annotations

from moto.athena.responses import AthenaResponse as MotoAthenaResponse


class AthenaResponse(MotoAthenaResponse):
    """Every action of the Athena API that Mini-Lab's engine answers; moto answers the rest."""
