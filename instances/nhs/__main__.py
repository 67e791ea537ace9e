"""Derive the margins of a month again: python -m instances.nhs PUBLISHED MONTH MARGINS."""

import sys
from pathlib import Path

from instances.nhs.files import find_and_derive
from instances.nhs.margins import write_margins

if __name__ == "__main__":
    write_margins(find_and_derive(Path(sys.argv[1]), sys.argv[2]), Path(sys.argv[3]))
