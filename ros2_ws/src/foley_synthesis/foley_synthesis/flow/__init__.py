"""Sound by rectified flow, from rendered views of a scene and from hands (Hearing Hands, Dou et al. 2025)."""
