"""Executables: one node per module."""
