"""Finds a Python that has torch, or makes one."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from runner import ROOT

TORCH = "torch==2.15.0"
MARK = "COSMOE_PEERS_HAS_TORCH"  # set for the script that is started again


def continue_with_torch(python: str | None) -> None:
    """Returns if this interpreter will do, else starts the script again with one that does."""
    if MARK in os.environ or (python is None and importlib.util.find_spec("torch")):
        return
    python = shutil.which(python) if python else str(environment())
    if python is None:
        sys.exit("compare.py: --python: no such program")
    found = subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL, check=False)
    if found.returncode != 0:
        sys.exit(f"compare.py: {python} cannot import torch")
    os.environ[MARK] = "1"
    os.execv(python, [python, *sys.argv])


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
