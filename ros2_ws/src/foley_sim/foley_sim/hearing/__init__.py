"""Recordings of contacts for hearing to train on: sampled directly, without a scene, a robot or a picture."""
