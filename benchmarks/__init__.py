"""Benchmarks: suites behind `allocator bench`, their protocol in README.md."""
