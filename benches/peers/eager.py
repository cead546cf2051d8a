"""The router and the dispatch plan as one writes them in eager PyTorch."""

from __future__ import annotations

import torch

TAU_TOKEN, TAU_EXPERT = 0.0, 1e-3


def divisor(matrix: torch.Tensor, tau: float) -> torch.Tensor:
    """|row| + tau of every row, in f32."""
    return torch.linalg.vector_norm(matrix, dim=1, dtype=torch.float32) + tau


def route(
    tokens: torch.Tensor, experts: torch.Tensor, expert_divisor: torch.Tensor, top_k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Norm, product, division, top-k, softmax over the selected: ids and weights.

    Dividing the [T, E] product is faster than dividing the [T, D] tokens beforehand. A bf16
    product leaves the matrix multiplication in bf16; all after it is f32.
    """
    product = (tokens @ experts.T).float()
    logits = product / divisor(tokens, TAU_TOKEN).unsqueeze(1) / expert_divisor
    top, ids = logits.topk(top_k)
    return ids, torch.softmax(top, dim=1)


def route_upcast(
    tokens: torch.Tensor, experts: torch.Tensor, expert_divisor: torch.Tensor, top_k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same with bf16 tokens converted to f32 first; `experts` already are."""
    return route(tokens.float(), experts, expert_divisor, top_k)


def plan(ids: torch.Tensor, experts: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Assignments in expert-major order, and the number of each expert's."""
    flat = ids.flatten()
    return flat.argsort(stable=True), flat.bincount(minlength=experts)


def exact_logits(tokens: torch.Tensor, experts: torch.Tensor) -> torch.Tensor:
    """The logits in f64, slab by slab."""
    experts = experts.double()
    expert_divisor = torch.linalg.vector_norm(experts, dim=1) + TAU_EXPERT
    slabs = []
    for slab in tokens.split(2048):
        slab = slab.double()
        norm = torch.linalg.vector_norm(slab, dim=1, keepdim=True) + TAU_TOKEN
        slabs.append(slab @ experts.T / norm / expert_divisor)
    return torch.cat(slabs)
