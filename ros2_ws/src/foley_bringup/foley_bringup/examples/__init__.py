"""Robots that plan with what Foley knows."""
