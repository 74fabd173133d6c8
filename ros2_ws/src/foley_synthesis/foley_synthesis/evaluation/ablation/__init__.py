"""The ablation table of Visually Indicated Sounds (section 6): which part of the model earns what."""
