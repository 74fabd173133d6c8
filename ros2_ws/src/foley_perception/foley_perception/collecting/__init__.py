"""A person who records takes: keys and pedals, what a session does, and what its terminal shows."""
