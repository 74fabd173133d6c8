"""A neural codec of contact sounds: what a flow works in, and how it becomes sound."""
