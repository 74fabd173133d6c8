"""Every rule of the audit, as docs/recording.md lists it (`python scripts/write_rules.py`)."""

from __future__ import annotations

from foley_perception.audio.clock_fit import MAX_DEVIATION
from foley_perception.audio.clock_steps import LASTING_S as STEP_LASTS_S
from foley_perception.audio.clock_steps import STEP_S as STEP_FROM_S
from foley_perception.audit.arrivals import SAME_CLOCK_S
from foley_perception.audit.channel import HUM_RMS, SILENCE_S
from foley_perception.audit.chunks import END_STAMP_ERROR_S, END_STAMP_S, INTERLEAVED, MISCOUNTED
from foley_perception.audit.levels import ANTIPHASE, CLIP_SAMPLES, DC_OFFSET, FAR, SLIGHT
from foley_perception.audit.older import OLD_S
from foley_perception.audit.rule import Rule
from foley_perception.audit.rules_of_motion import CAMERAS, MOTION
from foley_perception.audit.stamps import RUN_S
from foley_perception.audit.times import AHEAD_S, LASTING_S, PAUSE_S, SHORT_PAUSE_S, SLOW_S, STEP_S
from foley_perception.recording.session import KNOWN_VALUES

RULES: tuple[Rule, ...] = (
    # ---- microphones: samples ----
    Rule(
        "sound_foreign",
        "messages of other packages say what they hold, and can be decoded",
        "any that cannot; error where nothing can; stamps that disagree with the samples for 0.1 of 2 s",
        "the coding, why; AudioInfo, `raw` of robot.yaml, another coding",
        "those messages; error: the microphone",
    ),
    Rule(
        "sound_time",
        "live: a chunk's count and stamp can be true",
        "a count that does not go on by the chunk's length, stamps over 20 ms later than the arrival",
        "what is wrong with it, and what is done instead",
        "nothing: samples are counted here, or placed by their arrival",
    ),
    Rule(
        "sound_range",
        "samples lie in [-1, 1]",
        f"error from {FAR:g} up, or whole numbers above 1.5; note up to {SLIGHT:g}",
        "the largest value, since when; divide by 32768",
        "error: the microphone; else nothing",
    ),
    Rule(
        "sound_dead",
        "a channel holds more than one value",
        "one value throughout",
        "the value; unplugged, muted, wrong input",
        "error of the channel that is heard (0): the microphone; of another: nothing",
    ),
    Rule(
        "sound_unknown",
        "samples are numbers",
        "any NaN or infinity; error where all are",
        "how many",
        "they are heard as silence; error: the microphone",
    ),
    Rule(
        "sound_clipped",
        "flat tops at the highest or lowest value, whatever it is",
        f"{CLIP_SAMPLES} samples in runs of 3 and more that are run into with a slope",
        "level, share, longest run, first time; lower the gain",
        "nothing; those clips are distorted",
    ),
    Rule(
        "sound_silence",
        "samples change",
        f"{SILENCE_S:g} s of one value",
        "longest, when, in all; noise gate, mute",
        "nothing; there is no sound to hear",
    ),
    Rule(
        "sound_offset",
        "mean of a channel",
        f"{DC_OFFSET:g} of full scale",
        "the mean; high-pass, supply",
        "nothing",
    ),
    Rule(
        "sound_hum",
        "50 and 60 Hz and two harmonics over the spectrum beside them, median of all seconds",
        f"6 times as strong, and {HUM_RMS:g} RMS (-60 dBFS)",
        "frequency and level; ground, shield, supply",
        "nothing",
    ),
    Rule(
        "sound_antiphase",
        "correlation of each channel with channel 0",
        f"below {ANTIPHASE:g}",
        "the correlation; swap the wires of one capsule",
        "nothing: Foley hears one channel; an average of both is silent",
    ),
    # ---- microphones: chunks ----
    Rule(
        "sound_count",
        "`first_sample` counts the samples of a channel",
        f"does not follow in {MISCOUNTED:.0%} of the chunks, or runs faster than time",
        "by how much it increases, samples a chunk; count them",
        "error: the microphone",
    ),
    Rule(
        "sound_streams",
        "one source a topic: `stream_id` and counters do not take turns",
        f"{INTERLEAVED:.0%} of the chunks go on where an older one ended",
        "whose, since when; a topic for each",
        "error: the microphone",
    ),
    Rule(
        "sound_rate",
        "`first_sample` over stamps against `sample_rate`",
        f"{MAX_DEVIATION:.1%}",
        "both rates; set the driver's",
        "error: the microphone",
    ),
    Rule(
        "sound_format",
        "`sample_rate` and `channels` stay within a stream",
        "any change; error of the rate",
        "from, to, when; begin a new `stream_id`",
        "error: the microphone; else nothing",
    ),
    Rule(
        "sound_step",
        "stamps against `first_sample`: a level that moves within a moment and stays",
        f"from {STEP_FROM_S * 1e3:g} ms, {STEP_LASTS_S:g} s long",
        "size and time of each; synchronise clocks, enlarge the buffer",
        "a new clock begins there, live and offline: both sides are right",
    ),
    Rule(
        "sound_end_stamp",
        "no chunk arrives before it can be over: arrival - stamp against samples / sample_rate",
        f"{END_STAMP_S * 1e3:g} ms too early in 95 % of them; error from {END_STAMP_ERROR_S * 1e3:g} ms",
        "by how much stamps are late; stamp the first sample",
        "error: the microphone; else its times are late by that",
    ),
    Rule(
        "sound_restarts",
        "`first_sample` falls back only with a new `stream_id`, which comes with a restart only",
        f"any; a new one in {MISCOUNTED:.0%} of the chunks",
        "how often, first time",
        "nothing: taken for a restart",
    ),
    Rule(
        "sound_repeated",
        "a chunk comes once",
        "any that is the same in stream, count and stamp",
        "how many; bridged or played twice",
        "nothing: the second is left out",
    ),
    # ---- times of all stamped topics ----
    Rule(
        "stamp_zero",
        "`header.stamp` is filled in",
        "any zero",
        "how many, first time, uncertainty of what is used",
        "zero throughout: arrival is used (of sound, less the chunk's length; of /tf not); else these messages",
    ),
    Rule(
        "stamp_repeated",
        "stamps differ",
        "any; note where several publishers share a topic; error of a main device where 90 % repeat",
        "how many, first time",
        "only the first of each is used",
    ),
    Rule(
        "stamp_back",
        "stamps increase",
        f"any; by more than {RUN_S:g} s see `two_runs`",
        "how many, by how much, first time",
        "nothing: they are put in order",
    ),
    Rule(
        "stamp_step",
        "stamps against arrival step, and the other sensors' do not",
        f"{STEP_S * 1e3:g} ms (told from 12 ms), sharp, {LASTING_S:g} s long or to the end; late arrival is none; "
        "a camera's by whole periods ahead may be frames left out: a warning, one in its first seconds nothing",
        "size and time; synchronise clocks",
        "error of a main device: the bag; else nothing",
    ),
    Rule(
        "stamp_ahead",
        "messages arrive after their stamp",
        f"{AHEAD_S * 1e3:g} ms before it (least latency, median)",
        "by how much; chrony, PTP",
        "nothing",
    ),
    Rule(
        "stamp_old",
        "least latency of poses, joints, forces and /tf against the fastest sensors'",
        f"{OLD_S:g} s",
        "how far apart, from which; chrony, PTP",
        "nothing",
    ),
    Rule(
        "two_runs",
        "stamps of a sensor go on where they were",
        f"back by more than {RUN_S:g} s, ahead of arrival (error from 60 s), or a new stream of the microphone after "
        f"{SHORT_PAUSE_S:g} s in which all are silent ({PAUSE_S:g} s of a microphone alone); without one, "
        f"/tf_static or robot_description told again after {PAUSE_S:g} s",
        "by how much, when; a bag for each run",
        "error of a main device: the bag",
    ),
    Rule(
        "clock_differs",
        "stamps and arrival are of one clock",
        f"{SAME_CLOCK_S:g} s",
        "offset and real-time factor",
        "a note: what has arrival alone (plans) is brought to the stamps' clock",
    ),
    Rule(
        "clock_other",
        "least latency of a sensor against the others'",
        f"{SAME_CLOCK_S:g} s; error from {SLOW_S:g} s later or {SAME_CLOCK_S:g} s sooner",
        "how far apart; another clock, or another run",
        "error of a main device: the bag",
    ),
    *MOTION,
    *CAMERAS,
    # ---- the recording ----
    Rule(
        "lost",
        "messages that are missing, by sample count, else by the publisher's numbers, else by regular stamps",
        "any; no claim where several publishers take turns",
        "how many",
        "nothing",
    ),
    Rule(
        "gaps",
        "required sensors come in their period",
        "twice the median, 0.5 s at start and end",
        "how many, the longest",
        "nothing",
    ),
    Rule("missing", "required topics are there", "no message", "which", "clips need them"),
    Rule("empty", "there are messages", "none", "that", "error: the bag"),
    Rule(
        "file",
        "files, their index and metadata.yaml are whole and right",
        "any damage",
        "what; `foley bag recover`",
        "what is lost",
    ),
    Rule(
        "metadata",
        "`split` and `domain` are what a data set knows",
        f"other than {', '.join(KNOWN_VALUES['split'])}; {', '.join(KNOWN_VALUES['domain'])}; or none",
        "the value, what is known",
        "error of `split`: the bag; else the value",
    ),
    Rule(
        "reader",
        "whatever else a reader of the bag meets: types, encodings, frames, calibration, plans",
        "",
        "topic, value, cure",
        "error: the bag; else that thing",
    ),
)


def table() -> str:
    """The rows of docs/recording.md."""
    lines = ["| rule | what is checked | limit | what is said | what it costs |", f"|{' --- |' * 5}"]
    lines += [f"| `{r.name}` | {r.checked} | {r.limit} | {r.said} | {r.costs} |" for r in RULES]
    return "\n".join(lines) + "\n"
