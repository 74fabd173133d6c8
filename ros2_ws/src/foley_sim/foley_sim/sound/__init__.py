"""Sound of contacts: Hertz pulses and friction drive modal banks, heard through a room by one microphone."""

from foley_sim.sound.events import TABLE_ID, Event, Hold, Impact, Sliding

__all__ = ["TABLE_ID", "Event", "Hold", "Impact", "Sliding"]
