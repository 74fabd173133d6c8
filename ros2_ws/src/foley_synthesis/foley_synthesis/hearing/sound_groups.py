"""Groups of YAMNet's classes, named by what they mean to a robot that touches things."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEAST_SCORE = 1e-4  # below which scores are alike


@functools.cache
def class_names() -> tuple[str, ...]:
    """Of the 521 scores, in their order."""
    path = Path(__file__).parents[1] / "data" / "yamnet_classes.txt"
    return tuple(line for line in path.read_text("utf-8").splitlines() if not line.startswith("#"))


CONTACTS: dict[str, tuple[str, ...]] = {
    "wood": (
        "Wood", "Knock", "Door", "Sliding door", "Slam", "Tap", "Thunk", "Wood block", "Chop", "Chopping (food)",
        "Splinter", "Cupboard open or close", "Drawer open or close", "Hammer", "Rimshot", "Marimba, xylophone",
        "Clip-clop", "Creak",
    ),
    "glass": (
        "Glass", "Chink, clink", "Shatter", "Dishes, pots, and pans", "Ping", "Jingle, tinkle", "Wind chime",
    ),
    "metal": (
        "Clang", "Ding", "Bell", "Cowbell", "Cymbal", "Hi-hat", "Gong", "Tubular bells", "Glockenspiel", "Steelpan",
        "Church bell", "Jingle bell", "Bicycle bell", "Tuning fork", "Chime", "Singing bowl", "Vibraphone",
        "Coin (dropping)", "Cutlery, silverware", "Keys jangling", "Scissors", "Zing", "Clatter", "Doorbell",
    ),
    "loose": (
        "Crunch", "Rustle", "Rustling leaves", "Crumpling, crinkling", "Crushing", "Shuffling cards", "Crackle",
        "Rattle", "Maraca", "Rattle (instrument)", "Tambourine", "Shuffle",
    ),
    "soft": (
        "Thump, thud", "Slap, smack", "Whack, thwack", "Bouncing", "Basketball bounce", "Flap", "Plop", "Squish",
        "Clapping", "Bass drum", "Whip",
    ),
    "tearing": ("Tearing", "Zipper (clothing)", "Crack", "Breaking", "Smash, crash"),
    "scrape": (
        "Scrape", "Scratch", "Rub", "Sawing", "Filing (rasp)", "Sanding", "Writing", "Roll", "Squeak", "Squeal",
        "Scratching (performance technique)",
    ),
    "step": ("Walk, footsteps", "Run", "Patter", "Horse"),
    "click": (
        "Clicking", "Clickety-clack", "Tick", "Typing", "Typewriter", "Computer keyboard", "Finger snapping",
        "Camera", "Single-lens reflex camera", "Ratchet, pawl",
    ),
    "drum": ("Drum", "Drum kit", "Snare drum", "Timpani", "Tabla", "Percussion", "Mallet percussion"),
    "blast": ("Bang", "Explosion", "Gunshot, gunfire", "Burst, pop", "Boom", "Cap gun", "Firecracker"),
}  # fmt: skip
"""Something touched something."""

OTHERS: dict[str, tuple[str, ...]] = {
    "speech": (
        "Speech", "Child speech, kid speaking", "Conversation", "Narration, monologue", "Babbling",
        "Speech synthesizer", "Shout", "Yell", "Children shouting", "Screaming", "Whispering", "Laughter", "Giggle",
        "Chuckle, chortle", "Crying, sobbing", "Baby cry, infant cry", "Chatter", "Crowd", "Cheering",
        "Hubbub, speech noise, speech babble", "Cough", "Sneeze", "Breathing", "Sigh", "Groan", "Grunt",
    ),
    "music": (
        "Music", "Singing", "Choir", "Humming", "Whistling", "Musical instrument", "Guitar", "Bass guitar",
        "Plucked string instrument", "Keyboard (musical)", "Piano", "Electric piano", "Organ", "Synthesizer",
        "Orchestra", "Brass instrument", "Bowed string instrument", "Violin, fiddle", "Flute", "Saxophone",
        "Wind instrument, woodwind instrument", "Harmonica", "Accordion", "Theremin", "Didgeridoo", "Song",
        "Electronic music", "Ambient music", "Techno",
    ),
    "engine": (
        "Vehicle", "Car", "Truck", "Motorcycle", "Train", "Aircraft", "Helicopter", "Engine", "Idling",
        "Light engine (high frequency)", "Medium engine (mid frequency)", "Heavy engine (low frequency)",
        "Power tool", "Drill", "Lawn mower", "Chainsaw", "Vacuum cleaner", "Blender", "Hair dryer",
        "Boat, Water vehicle", "Whir",
    ),
    "wind or water": (
        "Wind", "Wind noise (microphone)", "Rain", "Rain on surface", "Stream", "Waterfall", "Ocean",
        "Waves, surf", "Water", "Thunder", "Thunderstorm", "Spray", "Steam", "Hiss", "Whoosh, swoosh, swish",
    ),
    "animal": (
        "Animal", "Dog", "Bark", "Cat", "Meow", "Bird", "Bird vocalization, bird call, bird song", "Chirp, tweet",
        "Crow", "Caw", "Owl", "Insect", "Cricket", "Bee, wasp, etc.", "Fly, housefly", "Mosquito", "Frog", "Goat",
        "Sheep", "Cattle, bovinae", "Fowl", "Wild animals", "Roar", "Domestic animals, pets",
    ),
    "silence": ("Silence",),
    "noise or hum": (
        "Noise", "White noise", "Pink noise", "Static", "Hum", "Mains hum", "Mechanical fan", "Air conditioning",
        "Buzz", "Rumble", "Throbbing", "Environmental noise",
    ),
    "tone": (
        "Sine wave", "Harmonic", "Chirp tone", "Beep, bleep", "Dial tone", "Busy signal", "Buzzer", "Siren",
        "Alarm", "Telephone", "Ringtone", "Telephone dialing, DTMF", "Sonar", "Electronic tuner",
        "Smoke detector, smoke alarm", "Reversing beeps",
    ),
}  # fmt: skip
"""Nothing needs to have been touched."""

GROUPS = (*CONTACTS, *OTHERS)


def group_scores(
    scores: NDArray[np.float32],  # [..., 521], of YAMNet
) -> NDArray[np.float32]:
    """[..., groups]: the highest score of each group's classes, in the order of GROUPS."""
    return np.stack([scores[..., rows].max(axis=-1) for rows in _rows()], axis=-1)


def log_group_scores(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Their natural logarithm; what YAMNet rules out is alike."""
    return np.asarray(np.log(np.maximum(group_scores(scores), LEAST_SCORE)), np.float32)


@functools.cache
def _rows() -> tuple[NDArray[np.int64], ...]:
    row = {name: index for index, name in enumerate(class_names())}
    return tuple(np.array([row[name] for name in (CONTACTS | OTHERS)[group]]) for group in GROUPS)
