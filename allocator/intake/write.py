"""Write an instance so that reading it again gives the same fingerprint."""

from __future__ import annotations

from pathlib import Path

from allocator import schema
from allocator.instance import Instance


def write_instance(instance: Instance, folder: Path) -> None:
    """Write instance.json and a Parquet file a table; `held`, `closed` and `room_taken` are columns like others."""
    folder.mkdir(parents=True, exist_ok=True)
    info = instance.info.model_dump_json(indent=2)
    (folder / "instance.json").write_text(info + "\n", encoding="utf-8", newline="\n")
    for table in schema.TABLES:
        instance.table(table.name).to_parquet(folder / f"{table.name}.parquet", index=False)
