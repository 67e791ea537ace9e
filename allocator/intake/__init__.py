"""Files to Instance: readers, row-level checks, quarantine."""
