"""Data sets of others to data sets of ours: each reads one released layout, and says what of it is unproven."""
