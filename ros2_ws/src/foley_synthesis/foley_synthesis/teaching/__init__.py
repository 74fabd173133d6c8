"""Predicates that are learned from a handful of labelled contacts."""
