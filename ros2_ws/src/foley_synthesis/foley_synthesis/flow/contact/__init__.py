"""The flow on sessions of touching things: training, sampling and its checkpoint."""
