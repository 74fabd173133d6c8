"""Messages and middleware of this package; nothing else here may import them."""
