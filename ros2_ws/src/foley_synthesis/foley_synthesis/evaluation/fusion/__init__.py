"""How well beliefs of what was seen and heard add up, and the weights with which they do."""
