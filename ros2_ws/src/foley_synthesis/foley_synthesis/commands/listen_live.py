"""`foley listen --live`: contacts as a microphone hears them."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from foley_perception.audio_devices.capture import Microphone
from foley_perception.audio_devices.mailbox import Capture, Chunk
from foley_perception.audio_devices.portaudio import CaptureError, listing
from foley_synthesis.hearing.listening.listener import best_of, likeliest
from foley_synthesis.hearing.listening.live import Estimate, LiveListening
from foley_synthesis.hearing.listening.table import COLUMNS, csv_row, set_text

if TYPE_CHECKING:
    from foley_synthesis.hearing.listening.listener import Listener


def list_inputs() -> int:
    """Exit code 0; 2 without PortAudio."""
    try:
        lines = listing()
    except CaptureError as error:
        return _error(error)
    print("\n".join(lines) if lines else "no input at all: plug one in, or allow this user the sound devices")
    return 0


def listen_to_microphone(args: argparse.Namespace, model: Listener) -> int:
    """Exit code 0; 2 where it cannot be opened or ends by itself."""
    try:
        return listen_live(args, model, Microphone(args.live))
    except CaptureError as error:
        return _error(error)


def listen_live(args: argparse.Namespace, model: Listener, capture: Capture) -> int:
    """Tell each contact of a source as it is heard, until it ends, the time is up, or Ctrl-C.

    Raises:
        CaptureError: the source cannot be opened, or nothing comes from it any more.
    """
    live = LiveListening(model, capture.sample_rate)
    limit_s = math.inf if args.seconds is None else args.seconds
    with ExitStack() as stack:
        rows = None
        if args.csv is not None:
            try:
                file = stack.enter_context(args.csv.open("w", encoding="utf-8", newline=""))
            except OSError as error:
                return _error(f"{args.csv}: cannot be written ({error.strerror})")
            rows = csv.DictWriter(file, (*COLUMNS, *(f"p_{name}" for name in model.vocabulary.labels)))
            rows.writeheader()

        def tell(estimates: Iterable[Estimate], arrived_s: float) -> None:
            for estimate in estimates:
                late_s = time.monotonic() - arrived_s
                text = (
                    json.dumps(_json(estimate, late_s), allow_nan=False)
                    if args.json
                    else _line(estimate, late_s)
                )
                print(text, flush=True)
                if rows is not None and estimate.last:
                    rows.writerow(
                        {"file": capture.name, "contact": estimate.number, **csv_row(estimate.contact)}
                    )
                    file.flush()

        _warm_up(model, capture.sample_rate)
        arrived_s = time.monotonic()
        try:
            with capture:
                _note(f"listening to {capture.name} at {capture.sample_rate} Hz; Ctrl-C ends")
                for chunk in capture.chunks():
                    arrived_s = chunk.arrived_s
                    if chunk.lost:
                        _note(_overrun(chunk, capture.sample_rate))
                    tell(live.process(chunk), arrived_s)
                    if live.seen_s >= limit_s:
                        break
        except KeyboardInterrupt:
            _note("")  # behind the ^C of the terminal
        finally:
            tell(live.finish(), arrived_s)
            _note(_summary(live, capture.sample_rate))
    return 0


def _warm_up(model: Listener, rate: int) -> None:
    """One throw-away contact, so that the first real one need not wait for what is imported and planned once."""
    noise = np.random.default_rng(0).standard_normal((2 * rate, 1)).astype(np.float32) * 1e-3
    noise[rate // 2 : rate // 2 + rate // 50] *= 300.0
    live = LiveListening(model, rate)
    for estimates in (live.process(Chunk(noise, 0.0)), live.finish()):
        for _ in estimates:
            pass


def _line(estimate: Estimate, late_s: float) -> str:
    """A contact begins at the margin, what is said of it later is set in."""
    contact = estimate.contact
    b, heard = contact.belief, contact.heard
    head = (
        f"{contact.time_s:9.3f} s  #{estimate.number:<3d} {contact.level_dbfs:4.0f} dBFS"
        if estimate.first
        else ""
    )
    said = [f"abstains: {b.reason}"] if b.abstain else []
    if heard is not None:
        said.append(set_text(heard))
    if not b.abstain or heard is None:
        said.append(likeliest(b))
    if heard is not None and (action := best_of(heard.action)[0]):
        said.append(action)
    if math.isfinite(b.log10_e_mean):
        said.append(f"log10 E {b.log10_e_mean:.1f} ± {b.log10_e_std:.1f}")
    return f"{head:27s} {1000 * estimate.heard_s:4.0f} ms  {'; '.join(said)}  [+{1000 * late_s:.0f} ms]"


def _json(estimate: Estimate, late_s: float) -> dict[str, Any]:
    return {
        "number": estimate.number,
        **estimate.contact.to_dict(),
        "heard_s": round(estimate.heard_s, 4),
        "last": estimate.last,
        "late_s": round(late_s, 4),
    }


def _overrun(chunk: Chunk, rate: int) -> str:
    return f"overrun: {chunk.lost / rate:.3f} s of sound were lost before this"


def _summary(live: LiveListening, rate: int) -> str:
    lost = f"; {live.overruns} overruns lost {live.lost / rate:.3f} s" if live.overruns else ", nothing lost"
    return f"{live.contacts} contacts in {live.seen_s:.1f} s{lost}"


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _error(error: object) -> int:
    print(f"foley listen: error: {error}", file=sys.stderr)
    return 2
