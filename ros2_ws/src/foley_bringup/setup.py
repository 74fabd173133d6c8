from glob import glob

from setuptools import find_packages, setup

package_name = "foley_bringup"

setup(
    name=package_name,
    version="0.1.0",
    packages=find_packages(include=[package_name, f"{package_name}.*"]),
    package_data={package_name: ["py.typed", "data/**/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
        (f"share/{package_name}/launch", glob("launch/*.py")),
        (f"share/{package_name}/config", glob("config/*")),
        ("bin", ["scripts/foley"]),
    ],
    python_requires=">=3.11",
    install_requires=[
        "PyYAML",
        "psutil",
        "rich",
        "jinja2",
        "matplotlib",
    ],
    extras_require={},
    zip_safe=False,
    maintainer="Foley maintainers",
    maintainer_email="maintainers@foley-ros.org",
    description="The whole system: launch file, configuration, life-cycle manager, demo and end-to-end tests.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "lifecycle_manager = foley_bringup.nodes.lifecycle_manager:main",
            "foley = foley_bringup.cli:main",
        ],
        "foley.commands": [
            "up = foley_bringup.commands.up",
            "demo = foley_bringup.commands.demo",
            "doctor = foley_bringup.commands.doctor",
        ],
    },
)
