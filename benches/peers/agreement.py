"""How far ids and weights are from those of the exact logits."""

from __future__ import annotations

import torch


class Agreement:
    """Ids and weights [T, K] against exact logits [T, E]."""

    def __init__(self, exact: torch.Tensor, ids: torch.Tensor, weights: torch.Tensor) -> None:
        best, best_ids = exact.topk(ids.shape[1])
        same = (ids == best_ids).all(dim=1)
        self.rows = same.numel()
        self.equal = int(same.sum())
        # Where ids differ: how far apart the exact logits of the two choices are.
        chosen = exact.gather(1, ids)
        self.gap = float((chosen - best).abs().max()) if self.rows else 0.0
        expected = torch.softmax(chosen, dim=1)
        self.weight_diff = float((weights.double() - expected).abs().max()) if self.rows else 0.0

    def within(self, equal: float, gap: float, weight_diff: float) -> bool:
        """Enough rows equal, or no more than one row off; gaps and weights small."""
        enough = self.equal >= min(equal * self.rows, self.rows - 1)
        return enough and self.gap <= gap and self.weight_diff <= weight_diff

    def __str__(self) -> str:
        share = 100.0 * self.equal / max(self.rows, 1)
        return f"{share:.2f}% rows equal, gap {self.gap:.1e}, weights {self.weight_diff:.1e}"
