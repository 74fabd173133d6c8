"""Networks that others trained, as judges of sounds. None of them is trained on, tuned against or shipped here."""
