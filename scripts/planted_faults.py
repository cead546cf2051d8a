#!/usr/bin/env python3
"""Plants faults in kernels and CPU code, one at a time, and sees whether `cosmoe verify` finds each: python3
scripts/planted_faults.py [NUMBER ...]

Works on a copy of the last commit in target/faults, with a build of its own. Ends with 1 if a fault was not found.
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPY = ROOT / "target/faults"

# What, where it is checked, file, old text, new text.
FAULTS = [
    ("NaN is above everything", "cpu", "src/chain/order.rs", "if u.is_nan() { 0 }", "if u.is_nan() { u32::MAX }"),
    ("tau_token on the experts' side too", "cpu", "src/cpu/score/metric.rs",
     "if side == Side::Token { tau_token } else { tau_expert }", "if true { tau_token } else { tau_expert }"),
    ("combine rounds the product before it adds", "cpu", "src/cpu/combine.rs",
     "*sum = weight.mul_add(value.to_f32(), *sum);", "*sum += weight * value.to_f32();"),
    ("drop by weight keeps the higher assignment of equal weights", "cpu", "src/cpu/plan.rs",
     "(std::cmp::Reverse(rank(weight(a))), a)", "(std::cmp::Reverse(rank(weight(a))), -a)"),
    ("of equal scores in a lane the higher index is taken", "cuda", "kernels/selection/best.cuh",
     "key[i] > own", "key[i] >= own"),
    ("a group's two best are its best twice", "cuda", "kernels/selection/row.cuh",
     "warp_max(best ? second : first)", "warp_max(first)"),
    ("one row beyond an expert's capacity", "cuda", "kernels/plan/steps.cuh",
     "if (expert != kNone && index < params.capacity) {", "if (expert != kNone && index <= params.capacity) {"),
    ("combine rounds the product before it adds", "cuda", "kernels/combine.cu",
     "sum[c] = __fmaf_rn(weight[i], Element::widen(value[i].element[c]), sum[c]);",
     "sum[c] = __fadd_rn(__fmul_rn(weight[i], Element::widen(value[i].element[c])), sum[c]);"),
    ("padding rows keep what was there", "cuda", "kernels/gather.cu",
     "store<kBytes>(to + index * kBytes, zero);", "(void)zero;"),
    ("a row of extreme length is multiplied unscaled", "cuda", "kernels/score/finish.cuh",
     "expert.scale = expert_scale;", "expert.scale = 1.0f;"),
]


def run(*command, **more):
    return subprocess.run(command, cwd=COPY, text=True, **more)


def build():
    if COPY.exists():
        # A run that was ended may have left its fault.
        run("git", "checkout", "-q", ".", check=True)
        run("git", "pull", "-q", check=True)
    else:
        subprocess.run(["git", "clone", "-q", str(ROOT), str(COPY)], check=True)
    run("cargo", "xtask", "toolkit", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def found(number, what, device, file, old, new):
    path = COPY / file
    text = path.read_text()
    if old not in text:
        sys.exit(f"{file}: expected {old!r}, found none: the list of faults is out of date")
    path.write_text(text.replace(old, new))
    try:
        made = run("cargo", "build", "--release", "--quiet", capture_output=True)
        if made.returncode != 0:
            sys.exit(f"fault {number} does not build:\n{made.stderr}")
        command = ["target/release/cosmoe", "verify", "--device", device]
        if device == "cuda":
            command = ["cargo", "xtask", "emulate", "--", *command, "--cases", "60"]
        verified = run(*command, capture_output=True)
        first = [line for line in verified.stdout.splitlines() if "first mismatch" in line]
        if verified.returncode == 0:
            return None
        # A call may fail before any number is compared: the emulated device reports what it has seen.
        return first[0] if first else (verified.stderr.strip().splitlines() or ["it ended"])[0]
    finally:
        path.write_text(text)


def main():
    wanted = [int(word) for word in sys.argv[1:]] or range(1, len(FAULTS) + 1)
    build()
    missed = 0
    for number in wanted:
        what, device, file, *_ = FAULTS[number - 1]
        first = found(number, *FAULTS[number - 1])
        missed += first is None
        print(f"{number}. {file}: {what}\n   {device}: {first or 'NOT FOUND'}")
        sys.stdout.flush()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
