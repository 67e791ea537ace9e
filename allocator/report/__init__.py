"""What comes out of a run: tables, exports, figures and one page for people."""

from __future__ import annotations

from allocator.report.write import write_run

__all__ = ["write_run"]
