"""Materials and shapes."""
MATERIALS = ("wood", "metal", "glass", "ceramic", "plastic", "stone", "rubber", "cardboard", "paper", "fabric", "foam", "leaves", "gravel")
SHAPES = ("plate", "box", "bar", "cylinder", "disc", "rod", "dome", "heap")
