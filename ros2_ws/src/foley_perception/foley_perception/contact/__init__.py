"""Contacts found in sound, motion and force."""
