"""Which contact belongs to which object."""
