"""Subcommands of `foley`."""
