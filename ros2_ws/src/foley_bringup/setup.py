from pathlib import Path

from setuptools import find_packages, setup

package_name = "foley_bringup"


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
    package_data={package_name: ["py.typed", "data/**/*", "watch/page/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
        *shared("launch"),
        *shared("config"),
        *shared("rviz"),
        *shared("foxglove"),
        ("bin", ["scripts/foley"]),
    ],
    python_requires=">=3.11",
    install_requires=[
        "PyYAML",
        "psutil",
        "rich",
        "jinja2",
        "matplotlib",
        "starlette",
        "uvicorn",
        "opencv-python-headless",
        "soundfile",
    ],
    extras_require={"planning": ["unified-planning", "up-pyperplan", "py-trees"]},
    zip_safe=False,
    maintainer="Foley maintainers",
    maintainer_email="maintainers@foley-ros.org",
    description="The whole system: launch file, configuration, life-cycle manager, demo and its tests.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "lifecycle_manager = foley_bringup.nodes.lifecycle_manager:main",
            "foley = foley_bringup.cli:main",
        ],
        "foley.commands": [
            "up = foley_bringup.commands.up",
            "demo = foley_bringup.commands.demo",
            "intervene = foley_bringup.commands.intervene",
            "doctor = foley_bringup.commands.doctor",
            "replay = foley_bringup.commands.replay",
            "planner = foley_bringup.commands.planner",
            "example = foley_bringup.commands.example",
            "watch = foley_bringup.commands.watch",
        ],
    },
)
