"""What the microphones hear: sample clocks, buffers, onsets."""
