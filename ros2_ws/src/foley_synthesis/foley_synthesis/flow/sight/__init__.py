"""What is touched, from views: the first factor of p(sound | views, hands) = sum over what of p(what) p(sound | what)."""
