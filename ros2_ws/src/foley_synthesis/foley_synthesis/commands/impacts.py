"""`foley impacts`: find impacts in long videos by the sound that is predicted for them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from foley_common.metrics_file import write_metrics
from foley_perception.commands import topic_options

if TYPE_CHECKING:
    from foley_perception.episodes.names import Naming
    from foley_synthesis.evaluation.impact_detection.run import Impacts

HELP = "find impacts in long videos by the sound that is predicted for them; average precision"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "examples:\n"
        "  foley impacts out/foleysim-1-mini/bags\n"
        "  foley impacts out/foleysim-1-mini/bags --seeds 1 --epochs 5     # a quick look\n\n"
        "A network learns from whole recordings what each moment sounds like, once from colour images around the\n"
        "tip alone and once with spacetime images. Peaks of the predicted loudness are detections; one within 0.1 s\n"
        "of an impact is right. One video gets a sound track of real training sounds. Features of the videos are\n"
        "kept in the cache folder."
    )
    parser.add_argument("bags", nargs="+", help="bags, or folders of bags, with train and test recordings")
    parser.add_argument("--split", default="test", choices=("test", "test_seen", "validation"))
    parser.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="trainings of every method (default: 5)"
    )
    parser.add_argument("--epochs", type=int, default=40, metavar="N", help="of every training (default: 40)")
    parser.add_argument(
        "--encoder", default="efficientnet-lite0", help="vision encoder (default: %(default)s)"
    )
    parser.add_argument("--replicates", type=int, default=500, help="of the bootstrap over scenes")
    topic_options.add(parser)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/impacts"), metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """Exit code 0; 2 for what the user can mend."""

    from rich.console import Console
    from rich.progress import Progress

    from foley_perception.dataset.build import find_bags
    from foley_perception.dataset.schema import DatasetError
    from foley_perception.episodes.tracks import EpisodeError
    from foley_synthesis.evaluation.impact_detection.net import VideoNetConfig
    from foley_synthesis.evaluation.impact_detection.report import draw, markdown
    from foley_synthesis.evaluation.impact_detection.run import detect
    from foley_synthesis.evaluation.impact_detection.videos import load_videos
    from foley_synthesis.vision.encoders import load_encoder

    try:
        if args.seeds < 1:
            raise ValueError(f"--seeds is {args.seeds}, must be at least 1")
        config = VideoNetConfig(epochs=args.epochs)
        with Progress(console=Console(stderr=True)) as bar:
            bags = [bag for bag in find_bags(args.bags) if "scans" not in bag.parts]
            naming = topic_options.naming_of(args, bags)
            features, training = bar.add_task("videos", total=len(bags)), bar.add_task("training", total=None)
            videos = load_videos(
                bags,
                load_encoder(args.encoder, threads=args.threads),
                lambda done, total: bar.update(features, completed=done),
                naming,
            )
            for video in videos:
                for problem in video.problems:
                    bar.console.print(f"foley impacts: {video.bag}: {problem}")
            found = detect(
                videos,
                config=config,
                seeds=args.seeds,
                replicates=args.replicates,
                split=args.split,
                threads=args.threads,
                progress=lambda done, total: bar.update(training, completed=done, total=total),
            )
        args.out.mkdir(parents=True, exist_ok=True)
        write_metrics(args.out, found.table.to_dict(seeds=True))
        text = markdown(found)
        (args.out / "impacts.md").write_text(text, "utf-8")
        draw(found, args.out / "impacts.png")
        pieces = _soundtrack(found, args.out, naming)
    except (EpisodeError, DatasetError, ValueError, OSError) as error:
        print(f"foley impacts: error: {error}", file=sys.stderr)
        return 2
    print(text)
    print(
        f"{pieces} sounds laid under {found.tested[0].session_id}: {args.out / 'soundtrack.wav'}, real.wav beside it"
    )
    return 0


def _soundtrack(found: Impacts, out: Path, naming: Naming) -> int:
    """Write soundtrack.wav and real.wav of the first tested video; how many sounds were laid."""
    import soundfile

    from foley_synthesis.evaluation.impact_detection.match import peaks
    from foley_synthesis.evaluation.impact_detection.run import LEARNED
    from foley_synthesis.evaluation.impact_detection.soundtrack import (
        TrainingImpacts,
        make_track,
        read_sounds,
    )
    from foley_synthesis.vis.training.features import SAMPLE_RATE

    shown = found.tested[0]
    strength = found.strengths[next(iter(LEARNED))][0][0]
    at = [int(frame) for frame in peaks(strength) if strength[frame] >= found.threshold]
    bank = TrainingImpacts(found.train, found.predicted["train"])
    track, count = make_track(
        bank, found.predicted["tested"][0], at, round(shown.seconds * SAMPLE_RATE), naming
    )
    soundfile.write(out / "soundtrack.wav", track, SAMPLE_RATE, subtype="PCM_16")
    real = read_sounds(shown.bag, [0.0], shown.seconds, naming)[0]
    soundfile.write(out / "real.wav", real, SAMPLE_RATE, subtype="PCM_16")
    return count
