"""The robot's own noise: learnt from a sweep without contact, predicted from joint speeds, taken off or masked."""
