"""Which packages a wheel carries; everything else is in pyproject.toml.

The wheel installs `bnnhw` and `rtl_gen` and carries sim/ and boards/ inside `rtl_gen`, so that
nothing called `sim` or `boards` lands in anybody's site-packages. pyproject.toml can look for
packages or rename folders, but not both.
"""

from setuptools import find_packages, setup

CONTENT = {"rtl_gen._content.boards": "boards", "rtl_gen._content.sim": "sim"}

packages = find_packages(include=["bnnhw", "bnnhw.*", "rtl_gen", "rtl_gen.*"])
for name, folder in CONTENT.items():
    packages += [name, *(f"{name}.{inner}" for inner in find_packages(folder))]

setup(packages=packages, package_dir=CONTENT)
