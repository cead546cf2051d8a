#!/usr/bin/env python3
"""Compares the emulated tensor cores with MMA-Sim (PyPI `mmasim`), bit for bit.

    check.py FOLDER [--products N] [--seed S] [--golden FILE]

FOLDER receives mmasim (and torch and ninja, unless the running Python has them) through pip; what
is there already is used. mmasim compiles a small extension when it is imported: a C++ compiler is
needed. Random and adversarial products of every floating-point shape go through
`cargo run --release --example mma_vectors` and through MMA-Sim, for Ampere and Hopper.
--golden writes a few hundred dot products with MMA-Sim's results, which the unit tests read.

Exit status: 0 equal, 1 different, 77 skipped because torch or mmasim cannot be had.
"""

import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys
import threading
import warnings

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")

MMASIM = "mmasim==2.1.1"
CRATE = pathlib.Path(__file__).resolve().parents[2]

# factor, accumulator, depth: every floating-point shape of mma.sync with 16 rows up to sm_90.
SHAPES = [
    ("f16", "f32", 16),
    ("f16", "f32", 8),
    ("bf16", "f32", 16),
    ("bf16", "f32", 8),
    ("f16", "f16", 16),
    ("f16", "f16", 8),
    ("tf32", "f32", 8),
    ("tf32", "f32", 4),
]
FORMATS = {"f16": (5, 10), "bf16": (8, 7), "tf32": (8, 23), "f32": (8, 23)}
KINDS = ["uniform", "normal", "wide", "cancelling", "subnormal", "special", "extreme", "any bits"]


def skip(why):
    print(f"SKIPPED: {why}: nothing was compared", file=sys.stderr)
    sys.exit(77)


def install(folder):
    """Puts what is missing into `folder` and on the path."""
    sys.path.insert(0, str(folder))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
    wanted = {
        "torch": [*pip, "torch", "--extra-index-url", "https://download.pytorch.org/whl/cpu"],
        "ninja": [*pip, "ninja"],
        "mmasim": [*pip, "--no-deps", MMASIM],
    }
    for name, command in wanted.items():
        if importlib.util.find_spec(name) is None and subprocess.run(command).returncode != 0:
            skip(f"pip cannot install {name}")
        importlib.invalidate_caches()
    os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    try:
        import torch
        from mmasim.nv_ptx import sim
    except (ImportError, OSError, RuntimeError, subprocess.CalledProcessError) as error:
        skip(f"{error}")
    return torch, sim


def bits(torch, kind, name, shape, generator):
    """Random elements of format `name` as integers, of one of the KINDS."""
    exponent_bits, fraction_bits = FORMATS[name]
    bias = (1 << (exponent_bits - 1)) - 1
    top = (1 << exponent_bits) - 1

    def integer(low, high):
        return torch.randint(low, high, shape, generator=generator, dtype=torch.int64)

    sign = integer(0, 2)
    fraction = integer(0, 1 << fraction_bits)
    exponent = {
        "uniform": lambda: integer(bias - 2, bias + 1),
        "normal": lambda: integer(bias - 7, bias + 4),
        "wide": lambda: integer(max(1, bias - 40), min(top, bias + 41)),
        "cancelling": lambda: integer(bias - 1, bias + 2),
        "subnormal": lambda: integer(0, 3),
        "special": lambda: integer(bias - 3, bias + 4),
        "extreme": lambda: torch.where(integer(0, 2) == 0, integer(0, 3), integer(top - 3, top)),
        "any bits": lambda: integer(0, top + 1),
    }[kind]()
    if kind == "cancelling":
        # Few significant bits, so that sums come close to zero or to it.
        fraction &= ~((1 << (fraction_bits - 3)) - 1)
    value = exponent << fraction_bits | fraction
    rare = integer(0, 40)
    one = 1 << fraction_bits
    if kind == "special":
        value = torch.where(rare == 0, torch.full_like(value, top * one), value)
        value = torch.where(rare == 1, torch.full_like(value, top * one + one // 2 + 1), value)
    if kind != "any bits":
        value = torch.where((rare >= 2) & (rare < 6), torch.zeros_like(value), value)
    return sign << (exponent_bits + fraction_bits) | value


def tensor(torch, name, value):
    """Integers as a tensor of format `name`."""
    if name in ("f32", "tf32"):
        return value.to(torch.int32).view(torch.float32)
    half = {"f16": torch.float16, "bf16": torch.bfloat16}[name]
    return value.to(torch.int16).view(half)


def raw(torch, x):
    return bytes(x.contiguous().view(torch.uint8).untyped_storage())


def cases(torch, generator, factor, accumulator, depth, kind, count):
    """A, B and C of `count` products, as integers."""
    a = bits(torch, kind, factor, (count, 16, depth), generator)
    b = bits(torch, kind, factor, (count, depth, 8), generator)
    c = bits(torch, kind, accumulator, (count, 16, 8), generator)
    if kind == "cancelling":
        # Every second product of a pair of depths is the negative of the first, near enough.
        flip = 1 << sum(FORMATS[factor])
        a[:, :, 1::2] = a[:, :, 0::2] ^ flip
        near = torch.randint(0, 3, b[:, 1::2].shape, generator=generator, dtype=torch.int64)
        b[:, 1::2] = b[:, 0::2] ^ near
    return a, b, c


def expected(torch, mmasim_mma, a, b, c):
    """MMA-Sim's D for tensors A, B and C, all products at once."""
    rows = a[:, :, None, :].expand(-1, -1, 8, -1)
    columns = b.transpose(1, 2)[:, None, :, :].expand(-1, 16, -1, -1)
    return mmasim_mma.dpa(rows, columns, c)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--products", type=int, default=512, help="per shape, model and kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--golden", type=pathlib.Path)
    arguments = parser.parse_args()
    torch, sim = install(arguments.folder)
    generator = torch.Generator().manual_seed(arguments.seed)
    if arguments.golden:
        write_golden(torch, sim, generator, arguments.golden)
        return
    build = ["cargo", "build", "--quiet", "--release", "--example", "mma_vectors"]
    subprocess.run(build, cwd=CRATE, check=True)
    run = ["cargo", "run", "--quiet", "--release", "--example", "mma_vectors"]
    ours = subprocess.Popen(run, cwd=CRATE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    compared = different = 0
    for model in ("ampere", "hopper"):
        for factor, accumulator, depth in SHAPES:
            name = f"m16n8k{depth}.{accumulator}.{factor}.{factor}.{accumulator}"
            theirs = sim.MMA(model.capitalize(), name)
            wrong = total = 0
            for kind in KINDS:
                count = arguments.products
                abc = cases(torch, generator, factor, accumulator, depth, kind, count)
                a, b, c = (
                    tensor(torch, *x) for x in zip((factor, factor, accumulator), abc)
                )
                want = expected(torch, theirs, a, b, c)
                send(torch, ours, f"{model} {factor} {accumulator} {depth} {count}", a, b, c)
                size = count * 16 * 8 * want.element_size()
                answer = ours.stdout.read(size)
                got = torch.frombuffer(bytearray(answer), dtype=want.dtype).view(want.shape)
                integers = torch.int16 if want.element_size() == 2 else torch.int32
                unequal = want.view(integers) != got.view(integers)
                total += unequal.numel()
                wrong += int(unequal.sum())
                for i, m, n in unequal.nonzero()[:2].tolist():
                    print(f"  {model} {name} {kind}: expected {want[i, m, n]}, got {got[i, m, n]}")
                    print(f"    a {a[i, m].tolist()}\n    b {b[i, :, n].tolist()}\n    c {c[i, m, n]}")
            print(f"{model:6} {name:26} {total:9} results, {wrong} different")
            compared += total
            different += wrong
    ours.stdin.close()
    ours.wait()
    print(f"{compared} results compared, {different} different")
    sys.exit(different != 0)


def send(torch, process, line, a, b, c):
    """Writes a request from a thread of its own, as both pipes are finite."""
    data = [line.encode() + b"\n"]
    for i in range(a.shape[0]):
        data += [raw(torch, x[i].clone()) for x in (a, b, c)]

    def write():
        process.stdin.write(b"".join(data))
        process.stdin.flush()

    threading.Thread(target=write, daemon=True).start()


def write_golden(torch, sim, generator, path):
    """One dot product a line: model, formats, depth, then A's row, B's column, C and D in hex."""
    lines = [f"# Dot products of mma.sync as {MMASIM} computes them; written by check.py --golden."]
    for model in ("ampere", "hopper"):
        for factor, accumulator, depth in SHAPES:
            name = f"m16n8k{depth}.{accumulator}.{factor}.{factor}.{accumulator}"
            theirs = sim.MMA(model.capitalize(), name)
            for kind in KINDS:
                abc = cases(torch, generator, factor, accumulator, depth, kind, 4)
                a, b, c = (
                    tensor(torch, *x) for x in zip((factor, factor, accumulator), abc)
                )
                d = expected(torch, theirs, a, b, c)
                integers = torch.int16 if d.element_size() == 2 else torch.int32
                mask = 0xFFFF if d.element_size() == 2 else 0xFFFFFFFF
                for i in range(4):
                    row = [f"{x:x}" for x in abc[0][i, i].tolist()]
                    column = [f"{x:x}" for x in abc[1][i, :, i].tolist()]
                    result = int(d.view(integers)[i, i, i]) & mask
                    words = [model, factor, accumulator, str(depth), *row, *column]
                    words += [f"{int(abc[2][i, i, i]):x}", f"{result:x}"]
                    lines.append(" ".join(words))
    path.write_text("\n".join(lines) + "\n")
    print(f"{len(lines) - 1} dot products written to {path}")


if __name__ == "__main__":
    main()
