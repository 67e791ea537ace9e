"""A run as files and one page for people."""
