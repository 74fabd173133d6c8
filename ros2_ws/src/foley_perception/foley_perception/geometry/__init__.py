"""Rigid transforms and frames."""
