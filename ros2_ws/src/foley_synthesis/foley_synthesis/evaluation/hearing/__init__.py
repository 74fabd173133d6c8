"""What a model of hearing says of real recordings, of sounds that are no contact, and of simulated contacts."""
