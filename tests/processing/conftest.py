from processing_fixtures import world

__all__ = ["world"]
