"""Instances: seeded generator, importer of the published NHS figures, hand-worked cases."""
