"""When a long video has impacts, by the sound that is predicted for it (Visually Indicated Sounds, section 6.3)."""
