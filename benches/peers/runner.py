"""Talks to runner.rs, which stays alive between commands."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class RunnerError(Exception):
    """The program cannot be built, or has stopped."""


def build(device: str) -> Path:
    """Builds the program for a device, cpu or cuda, and returns its path."""
    command = ["cargo", "bench", "--no-default-features", "--bench", "peer_runner", "--no-run"]
    if device == "cuda":
        command += ["--features", "cuda"]
    command.append("--message-format=json-render-diagnostics")
    try:
        built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise RunnerError(f"cannot build peer_runner: {error}") from error
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "peer_runner":
            return Path(message["executable"])
    raise RunnerError("cargo built no peer_runner")


class Runner:
    """A running peer_runner."""

    def __init__(self, program: Path, threads: int, device: str) -> None:
        self.process = subprocess.Popen(
            [str(program), "--serve", str(threads), device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.facts = self.ask("hello")

    def ask(self, *words: object) -> dict:
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write("\t".join(str(word) for word in words) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # The program has said why on standard error.
        line = self.process.stdout.readline()
        if not line:
            raise RunnerError(f"peer_runner stopped at '{words[0]}'")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
