"""The ways in: command line and, later, HTTP. Thin: parse, call, render."""
