"""How good a recording is: figures over its time, limits, and the page that shows many at a glance."""
