"""What simple classifiers learn from sight, sound and both, and what they must not learn from."""
