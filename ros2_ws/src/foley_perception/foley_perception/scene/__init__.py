"""What the cameras see: projection, crops, background depth."""
