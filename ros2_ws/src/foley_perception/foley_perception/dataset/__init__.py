"""Datasets: clips around contacts and long windows, with splits that do not leak."""
