"""Finds a Python that has torch, or makes one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from runner import ROOT

TORCH = "torch==2.15.0"


def continue_with_torch(python: str | None) -> None:
    """Returns if this interpreter will do, else starts the script again with one that does."""
    here = Path(sys.executable).absolute()
    if python is None and importlib.util.find_spec("torch"):
        return
    python = python or str(environment())
    if Path(python).absolute() == here:
        return
    found = subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL, check=False)
    if found.returncode != 0:
        sys.exit(f"compare.py: {python} cannot import torch")
    os.execv(python, [python, *sys.argv, "--python", python])


def environment() -> Path:
    """A virtual environment with torch under target/peers."""
    folder = ROOT / "target" / "peers" / "venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / "ready"
    if not ready.exists():
        print(f"installing {TORCH} to {folder}; this fetches several gigabytes", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, TORCH], check=True)
        ready.touch()
    return python
