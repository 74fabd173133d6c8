"""Listening to files and microphones: what `foley listen` does."""
