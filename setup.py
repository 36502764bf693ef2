# SPDX-License-Identifier: Apache-2.0
"""Installs `nrfota` (host tools) and `vboard` (the virtual board)."""

from setuptools import find_packages, setup

SIM = ["unicorn>=2.1.4,<2.2"]
CLOUD = [
    "paho-mqtt>=2.1,<3",
    "boto3>=1.36,<2",
    "google-cloud-storage>=2.16,<4",
]
TEST = [
    *SIM,
    *CLOUD,
    "moto[iotdata,s3,server]>=5.1,<6",
    "gcp-storage-emulator>=2026.7,<2028",
    "pytest>=8,<10",
    "pytest-xdist>=3.5,<4",
    "hypothesis>=6.100,<7",
    "ruff>=0.17,<0.18",
    "mypy>=1.15,<3",
    "types-PyYAML>=6,<7",
    "types-pyserial>=3.5,<4",
]

setup(
    name="nrfota",
    version="0.1.0",
    description="Firmware updates for nRF52840 products with a SIM7600E modem",
    license="Apache-2.0",
    python_requires=">=3.11",
    package_dir={"": "scripts"},
    packages=find_packages("scripts", include=["nrfota*", "vboard*"]),
    package_data={"nrfota": ["py.typed", "cloud/prices/*.yml"], "vboard": ["py.typed"]},
    install_requires=[
        "west>=1.5,<1.6",
        "PyYAML>=6,<7",
        "pyelftools>=0.31,<0.34",
        "intelhex>=2.3,<3",
        "cryptography>=42,<51",
        "Jinja2>=3.1,<4",
        "pyserial>=3.5,<4",
        "rich>=13,<16",
        "pyocd>=0.36,<0.47",
    ],
    extras_require={"sim": SIM, "cloud": CLOUD, "test": TEST},
)
