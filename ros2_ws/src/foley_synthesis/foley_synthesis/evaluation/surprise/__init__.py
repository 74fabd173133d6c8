"""How often surprise is a false alarm, and how often it notices what is not as expected."""
