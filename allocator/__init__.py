"""The engine: tables, options, matrices, bounds. Knows no policy and no HTTP. Read `run.py` first."""
