"""Instances from the published NHS figures: margins first, then people and sessions that reproduce them."""
