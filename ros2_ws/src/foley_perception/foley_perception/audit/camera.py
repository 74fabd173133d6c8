"""Rules about cameras: their pictures, depth, calibration and place. Each makes one sentence of what was found."""

from __future__ import annotations

from foley_perception.audit.finding import Finding, Severity


def unreadable_pictures(topic: str, count: int, total: int, first_s: float, why: str) -> Finding:
    """Pictures that are damaged, or of another size or encoding than the others."""
    return Finding(
        "pictures_readable",
        Severity.PROBLEM,
        topic,
        f"{topic}: {count} of {total} images cannot be used and are left out, the first at {first_s:.3f} s: {why}",
    )


def unnamed_colours(topic: str, encoding: str) -> Finding:
    """An encoding of OpenCV that says how many channels there are, and not which colours."""
    return Finding(
        "picture_colours",
        Severity.NOTE,
        topic,
        f"{topic}: encoding `{encoding}` names no colours; they are taken in OpenCV's order, blue first; set the "
        "driver's pixel format to bgr8 or rgb8",
    )


def depth_unit(topic: str, problem: str) -> Finding:
    """Depth whose values cannot be in the unit of its encoding."""
    return Finding("depth_unit", Severity.PROBLEM, topic, f"{topic}: {problem}")


def no_depth(topic: str, why: str) -> Finding:
    """Depth of which nothing can be used; all else is."""
    return Finding("depth_readable", Severity.PROBLEM, topic, f"{topic}: {why}; depth is left out")


def unusable_calibration(topic: str, why: str) -> Finding:
    """A camera_info that does not fit its images."""
    text = f"{topic}: {why}; without it nobody knows where in its images a contact is"
    return Finding("camera_calibration", Severity.PROBLEM, topic, text)


def adapted_calibration(topic: str, note: str) -> Finding:
    """A camera_info of another size than its images, which fits them by a factor, a region or binning."""
    return Finding("camera_size", Severity.NOTE, topic, f"{topic}: {note}")


def undistorted(topic: str, model: str, coefficients: tuple[float, ...]) -> Finding:
    """Raw images of a lens with a distortion."""
    d = ", ".join(f"{value:.4g}" for value in coefficients)
    text = f"{topic}: {model or 'plumb_bob'} with d = [{d}]: its images are undistorted by it"
    return Finding("camera_distortion", Severity.NOTE, topic, text)


def taken_as_rectified(topic: str, images: str) -> Finding:
    """Images of a lens with a distortion, from a topic that is named for rectified ones."""
    text = (
        f"{topic}: it has a distortion, but {images} is named as rectified images are: they are taken as they come, "
        "with the projection matrix P"
    )
    return Finding("camera_distortion", Severity.NOTE, topic, text)


def changing_calibration(topic: str, changes_s: list[float]) -> Finding:
    """A camera whose calibration is another one at times."""
    times = ", ".join(f"{t:.3f}" for t in changes_s[:5]) + (", ..." if len(changes_s) > 5 else "")
    return Finding(
        "camera_changes",
        Severity.PROBLEM,
        topic,
        f"{topic}: the calibration changes at {times} s; each image is read by the one of its time. Fix zoom, "
        "focus and resolution while recording",
    )


def no_place(topic: str, device: str, frame: str, world: str, why: str) -> Finding:
    """A camera whose frame tf does not connect with the world."""
    return Finding(
        "camera_place",
        Severity.PROBLEM,
        topic,
        f"{device}: no transform from {frame} to {world} ({why}); record /tf_static, and /tf where the camera moves",
    )
