from pathlib import Path

from setuptools import find_packages, setup

package_name = "foley_perception"


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """The files of a folder and of the folders in it, for share/."""
    folders = [Path(folder), *(path for path in sorted(Path(folder).rglob("*")) if path.is_dir())]
    return [
        (f"share/{package_name}/{f}", [str(path) for path in sorted(f.iterdir()) if path.is_file()])
        for f in folders
        if f.is_dir()
    ]


setup(
    name=package_name,
    version="0.1.0",
    packages=find_packages(include=[package_name, f"{package_name}.*"]),
    package_data={package_name: ["py.typed", "data/**/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
        *shared("config"),
    ],
    python_requires=">=3.11",
    install_requires=[
        "numpy",
        "scipy",
        "PyYAML",
        "rich",
        "soundfile",
        "rosbags",
        "mcap",
        "pyarrow",
        "opencv-python-headless",
        "jinja2",
    ],
    extras_require={"kinematics": ["pin"], "microphone": ["sounddevice"]},
    zip_safe=False,
    maintainer="Foley maintainers",
    maintainer_email="maintainers@foley-ros.org",
    description="What is sensed: audio, action, scene and time; recording, episodes and datasets.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "recorder = foley_perception.nodes.recorder:main",
            "contact_detector = foley_perception.nodes.contact_detector:main",
            "hand_mapper = foley_perception.nodes.hand_mapper:main",
            "scene_reconstructor = foley_perception.nodes.scene_reconstructor:main",
            "hand_tracker = foley_perception.nodes.hand_tracker:main",
            "microphone = foley_perception.nodes.microphone:main",
            "speaker = foley_perception.nodes.speaker:main",
        ],
        "foley.commands": [
            "record = foley_perception.commands.record",
            "bag = foley_perception.commands.bag",
            "dataset = foley_perception.commands.dataset",
            "scene = foley_perception.commands.scene",
            "hands = foley_perception.commands.hands",
            "calibrate = foley_perception.commands.calibrate",
            "robot = foley_perception.commands.robot",
        ],
    },
)
