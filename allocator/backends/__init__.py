"""Solvers behind one narrow interface, one file each; every native status is mapped and tested."""
