#!/usr/bin/env python3
"""Counts of a route on the emulated device, as a table: python3 scripts/counts.py [T,D,E,K,DTYPE ...]

With --unfused first: of the fused route and its plan beside the chain that eager frameworks run, one kernel each
(tests/cuda/unfused.cu), at BF16 shapes. With --mix: what kinds of instructions the main loops are made of.

Needs a release build of the program and of the emulated device (`cargo xtask emulate -- true`). Counts are exact and
repeat; they say nothing about time.
"""

import json
import os
import random
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHAPES = [
    "1,7168,256,8,BF16", "16,7168,256,8,BF16", "64,7168,256,8,BF16", "128,7168,256,8,BF16",
    "512,7168,256,8,BF16", "4096,7168,256,8,BF16", "4096,4096,64,6,BF16", "1024,2048,512,10,F16",
    "64,7168,256,8,F32", "1024,2048,128,8,F32",
]
BYTES = {"BF16": 2, "F16": 2, "F32": 4}


def tensor(rows, columns, dtype, seed):
    """Numbers of magnitude 0.5 to 2, either sign."""
    data = bytearray(random.Random(seed).randbytes(rows * columns * BYTES[dtype]))
    # The high byte holds the sign, and exponent bits: 0x3f and 0xbf in bf16 and f32, 0x38 to 0x3b in f16.
    high = [(0x3B if dtype == "F16" else 0x3F) | (b & 0x80) for b in range(256)]
    step = BYTES[dtype]
    data[step - 1 :: step] = data[step - 1 :: step].translate(bytes(high))
    return bytes(data)


def save(path, name, rows, columns, dtype, seed):
    data = tensor(rows, columns, dtype, seed)
    entry = {"dtype": dtype, "shape": [rows, columns], "data_offsets": [0, len(data)]}
    header = json.dumps({name: entry}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + data)


UNFUSED_SHAPES = ["1,7168,256,8,BF16", "64,7168,256,8,BF16", "512,7168,256,8,BF16", "4096,2048,64,6,BF16"]


def emulated(command, folder, **more):
    """The launches of a command."""
    counts = f"{folder}/counts"
    if os.path.exists(counts):
        os.remove(counts)
    env = dict(os.environ, CUDA_EMULATOR_COUNTS=counts, CUDA_EMULATOR_CHECKS="off", **more)
    env["CUDA_EMULATOR_BUDGET"] = "100000000000"
    command = ["cargo", "xtask", "emulate", "--", *command]
    subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)
    with open(counts) as lines:
        return [json.loads(line) for line in lines]


def launches(shape, folder):
    tokens, hidden, experts, top_k, dtype = shape
    save(f"{folder}/t", "tokens", tokens, hidden, dtype, 1)
    save(f"{folder}/r", "experts", experts, hidden, dtype, 2)
    command = [os.path.join(ROOT, "target/release/cosmoe"), "route", "--device", "cuda"]
    command += ["--tokens", f"{folder}/t", "--router", f"{folder}/r", "--top-k", str(top_k)]
    return emulated(command, folder)


def unfused(shapes):
    print("| T, D, E, K | | launches | L2 sectors | distinct bytes of each launch, MB |")
    print("| --- | --- | --- | --- | --- |")
    command = ["cargo", "test", "--quiet", "--release", "--test", "cuda", "--", "unfused"]
    with tempfile.TemporaryDirectory() as folder:
        for text in shapes:
            shape = text.removesuffix(",BF16")
            found = emulated(command, folder, COSMOE_UNFUSED=shape)
            moved = {}
            for name, prefix in {"fused": ("cosmoe_route", "cosmoe_plan"), "chain": ("unfused_",)}.items():
                counts = [l["counts"] for l in found if l["kernel"].startswith(prefix)]
                total = lambda *names: sum(c[n] for c in counts for n in names)
                sectors, distinct = total("read_sectors", "write_sectors"), total("read_bytes", "written_bytes")
                moved[name] = (len(counts), sectors, distinct / 1e6)
            for name, (count, sectors, distinct) in moved.items():
                times = [""] * 3
                if name == "chain":
                    times = [f" ({value / other:.1f})" for value, other in zip(moved[name], moved["fused"])]
                print(
                    f"| {shape} | {name} | {count}{times[0]} | {sectors:,}{times[1]} "
                    f"| {distinct:.2f}{times[2]} |"
                )
            sys.stdout.flush()


# Beyond 512 experts the products have kernels of their own: next to nothing but their main loops.
MIX_SHAPES = ["1024,8192,600,8,BF16", "1024,4096,600,8,F32"]


def mix(shapes):
    print("| T, D, E, K, dtype | kernel | of all warp instructions | bank conflicts |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for text in shapes:
            words = text.split(",")
            for launch in launches((*map(int, words[:4]), words[4]), folder):
                if not launch["kernel"].startswith("cosmoe_score"):
                    continue
                counts = launch["counts"]
                kinds = counts["warp_instructions"]
                parts = sorted(kinds.items(), key=lambda kind: -kind[1])
                shares = ", ".join(f"{name} {100 * n / sum(kinds.values()):.1f}%" for name, n in parts)
                name = launch["kernel"].removeprefix("cosmoe_")
                print(f"| {text} | `{name}` | {shares} | {counts['bank_conflicts']} |")
                sys.stdout.flush()


def main():
    if sys.argv[1:2] == ["--mix"]:
        mix(sys.argv[2:] or MIX_SHAPES)
        return
    if sys.argv[1:2] == ["--unfused"]:
        unfused(sys.argv[2:] or UNFUSED_SHAPES)
        return
    shapes = sys.argv[1:] or SHAPES
    print("| T, D, E, K, dtype | kernel | blocks x threads | sectors read (of one read each) | sectors written | mma |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for text in shapes:
            words = text.split(",")
            shape = (*map(int, words[:4]), words[4])
            tokens, hidden, experts, _, dtype = shape
            least = (tokens + experts) * hidden * BYTES[dtype] // 32
            for launch in launches(shape, folder):
                if launch["kernel"].startswith(("cosmoe_prepare", "cosmoe_plan")):
                    continue
                counts = launch["counts"]
                blocks, threads = launch["grid"][0], launch["block"][0]
                read = counts["read_sectors"]
                mma = sum(counts["mma"].values())
                print(
                    f"| {text} | `{launch['kernel'].removeprefix('cosmoe_')}` | {blocks} x {threads} "
                    f"| {read:,} ({read / least:.2f}) | {counts['write_sectors']:,} | {mma:,} |"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
