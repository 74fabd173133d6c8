"""Scenes of 3D Gaussians: rendered, reconstructed, stored. Needs the `scene` requirements; recording does not."""
