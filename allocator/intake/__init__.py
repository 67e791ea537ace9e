"""Files to Instance: readers, row-level checks, quarantine."""

from allocator.intake.read import read_instance
from allocator.intake.result import Intake, summary_lines
from allocator.intake.write import write_instance

__all__ = ["Intake", "read_instance", "summary_lines", "write_instance"]
