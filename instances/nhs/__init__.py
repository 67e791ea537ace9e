"""Instances from the published NHS figures: margins first, then people and sessions that reproduce them."""

from instances.nhs.build import build_instance, import_nhs

__all__ = ["build_instance", "import_nhs"]
