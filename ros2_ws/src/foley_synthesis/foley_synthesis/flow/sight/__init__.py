"""What is touched, from views: p(what | views), the first factor of a sound's probability."""
