#!/usr/bin/env python3
"""Times cosmoe against eager PyTorch on the same inputs and device, side by side.

See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import interpreter
from runner import Runner, RunnerError, build

SHAPES = [  # T, D, E, K
    (4096, 4096, 64, 2),
    (4096, 4096, 256, 8),
    (16384, 2048, 64, 6),
    (1, 4096, 64, 2),
    (1, 4096, 256, 8),
    (1, 2048, 64, 6),
]
SEED = 20240
SETTLE = 0.02  # seconds: the other side's idle threads stop spinning
MIN_EQUAL = 0.999  # rows whose ids equal those of the exact logits
MAX_GAP = 2.0**-13  # exact logits of two ids that swapped places: 2 B for bf16
MAX_WEIGHT_DIFF = 2.0**-11  # 4 B for bf16, with room for the exponentials


@dataclass
class Op:
    """One operation of one case: how each side runs it, and what it took."""

    name: str
    command: str
    eager: Callable[[], object]
    calls: int
    cosmoe_seconds: list[float]
    torch_seconds: list[float]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of both sides")
    parser.add_argument("--python", help="an interpreter that has torch")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of both sides")
    parser.add_argument("--rounds", type=int, default=7, help="alternations per case")
    parser.add_argument("--dtype", choices=["f32", "bf16"], help="only this one")
    parser.add_argument("--case", type=int, nargs="+", choices=range(len(SHAPES)), metavar="N",
                        help=f"only these, 0 to {len(SHAPES) - 1}")
    parser.add_argument("--json", type=Path, help="also write every time to this file")
    arguments = parser.parse_args()
    if arguments.threads < 1 or arguments.rounds < 1:
        parser.error("--threads and --rounds: expected at least 1")
    return arguments


def eager_calls(op: Callable[[], object], calls: int, device: str) -> list[float]:
    """One untimed call, then `calls` timed ones: what runner.rs does. On CUDA by events, as there."""
    import torch

    op()
    taken = []
    if device == "cuda":
        for _ in range(calls):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            op()
            end.record()
            end.synchronize()
            taken.append(start.elapsed_time(end) / 1e3)
        return taken
    for _ in range(calls):
        started = time.perf_counter()
        op()
        taken.append(time.perf_counter() - started)
    return taken


def measure(runner: Runner, ops: list[Op], rounds: int, device: str) -> None:
    """Alternates the two sides; every second round starts with the other one."""
    for number in range(rounds):
        for op in ops:
            for side in ("torch", "cosmoe") if number % 2 else ("cosmoe", "torch"):
                time.sleep(SETTLE)
                if side == "torch":
                    op.torch_seconds += eager_calls(op.eager, op.calls, device)
                else:
                    op.cosmoe_seconds += runner.ask(op.command, op.calls)["seconds"]


def describe(runner: Runner, threads: int, device: str) -> str:
    import torch

    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    facts = runner.facts
    lines = [
        f"CPU      {cpu}, {os.cpu_count()} threads",
        f"cosmoe   {facts['version']}, {facts['simd']}, {facts['threads']} threads",
        f"torch    {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, "
        f"{threads} threads, eager",
    ]
    if device == "cuda":
        lines.insert(0, f"GPU      {torch.cuda.get_device_name()}")
    if hasattr(os, "getloadavg"):
        lines.append(f"load     {os.getloadavg()[0]:.2f} before the run (a quiet machine has 0)")
    return "\n".join(lines)


def table(rows: list[dict]) -> str:
    head = f"{'op':<13}{'T':>6}{'D':>6}{'E':>5}{'K':>3} {'dtype':<6}"
    head += f"{'torch min':>11}{'median':>9}{'cosmoe min':>12}{'median':>9}"
    head += f"{'ratio min':>11}{'median':>8}"
    lines = [head + "   (ms; ratio = torch / cosmoe)"]
    for row in rows:
        torch_ms = [1e3 * s for s in row["torch_seconds"]]
        cosmoe_ms = [1e3 * s for s in row["cosmoe_seconds"]]
        low = [min(torch_ms), min(cosmoe_ms)]
        middle = [statistics.median(torch_ms), statistics.median(cosmoe_ms)]
        tokens, hidden, experts, top_k = row["shape"]
        line = f"{row['op']:<13}{tokens:>6}{hidden:>6}{experts:>5}{top_k:>3} {row['dtype']:<6}"
        line += f"{low[0]:>11.3f}{middle[0]:>9.3f}{low[1]:>12.3f}{middle[1]:>9.3f}"
        lines.append(line + f"{low[0] / low[1]:>11.2f}{middle[0] / middle[1]:>8.2f}")
    return "\n".join(lines)


def run_case(
    runner: Runner,
    shape: tuple[int, int, int, int],
    dtype: str,
    rounds: int,
    folder: Path,
    device: str,
) -> tuple[list[dict], bool]:
    """Times one case; its rows of the table, and whether cosmoe's results are right."""
    import torch

    import agreement
    import eager
    import tensorfile

    count, hidden, num_experts, top_k = shape
    kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
    torch.manual_seed(SEED)
    tokens = torch.randn(count, hidden).to(kind)
    experts = torch.randn(num_experts, hidden).to(kind)
    inputs, results = folder / "inputs.safetensors", folder / "results.safetensors"
    tensorfile.save(inputs, {"tokens": tokens, "experts": experts})
    runner.ask("load", inputs, top_k)
    tokens, experts = tokens.to(device), experts.to(device)
    expert_divisor = eager.divisor(experts, eager.TAU_EXPERT)  # what cosmoe's prepare holds
    routed = eager.route(tokens, experts, expert_divisor, top_k)

    few = count == 1
    routes = [("route", lambda: eager.route(tokens, experts, expert_divisor, top_k))]
    if dtype == "bf16":
        wide = experts.float()
        upcast = lambda: eager.route_upcast(tokens, wide, expert_divisor, top_k)  # noqa: E731
        routes.append(("route, upcast", upcast))
    ops = [Op(name, "route", form, 50 if few else 3, [], []) for name, form in routes]
    runner.ask("route", 1)
    runner.ask("plan", 1)
    runner.ask("save", results)
    ours = tensorfile.load(results)
    ids = ours["expert_ids"].long()
    ids_there = ids.to(device)
    ops.append(Op("plan", "plan", lambda: eager.plan(ids_there, num_experts), 50 if few else 10, [], []))

    exact = eager.exact_logits(tokens, experts).cpu()
    checked = agreement.Agreement(exact, ids, ours["expert_weights"])
    order, counts = eager.plan(ids, num_experts)
    plan_equal = torch.equal(order.int(), ours["assignment_of_row"]) and torch.equal(
        counts.int(), ours["expert_counts"]
    )
    theirs = agreement.Agreement(exact, *(result.cpu() for result in routed))
    name = f"T {count} D {hidden} E {num_experts} K {top_k} {dtype}"
    print(f"{name}: cosmoe {checked}; torch {theirs}; plans equal: {plan_equal}", flush=True)
    right = plan_equal and checked.within(MIN_EQUAL, MAX_GAP, MAX_WEIGHT_DIFF)

    measure(runner, ops, rounds, device)
    rows = [
        {"op": op.name, "shape": shape, "dtype": dtype, "torch_seconds": op.torch_seconds,
         "cosmoe_seconds": op.cosmoe_seconds}
        for op in ops
    ]
    return rows, right


def main() -> int:
    arguments = parse()
    interpreter.continue_with_torch(arguments.python)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # read when torch is imported
        os.environ[name] = str(arguments.threads)
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
    import torch

    torch.set_num_threads(arguments.threads)
    device = arguments.device
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("compare.py: --device: expected a CUDA device that PyTorch can use, found none")
    runner = Runner(build(device), arguments.threads, device)
    facts = describe(runner, arguments.threads, device)
    print(f"{facts}\n\nids and weights against the exact logits (f64):", flush=True)
    rows, right = [], True
    dtypes = [arguments.dtype] if arguments.dtype else ["f32", "bf16"]
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for dtype in dtypes:
            for number in arguments.case or range(len(SHAPES)):
                shape, rounds = SHAPES[number], arguments.rounds
                more, fine = run_case(runner, shape, dtype, rounds, Path(folder), device)
                rows += more
                right &= fine
    runner.close()
    print(f"\n{table(rows)}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"facts": facts.splitlines(), "rows": rows}))
    if not right:
        print("compare.py: cosmoe's results differ from the exact ones", file=sys.stderr)
    return 0 if right else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, RunnerError, subprocess.CalledProcessError) as error:
        sys.exit(f"compare.py: {error}")
