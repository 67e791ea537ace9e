"""Instances from the published NHS figures: margins first, then people and sessions that reproduce them."""

from instances.nhs.build import CAPACITY_SHARE, build_instance, import_nhs

__all__ = ["CAPACITY_SHARE", "build_instance", "import_nhs"]
