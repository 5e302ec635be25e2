"""The margin losses, with manualnn's gradients by hand and with torch's autograd."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from manualnn.losses import margin


class TorchArcFaceLoss(margin.ArcFaceLoss):
    """The same formula as manualnn's, differentiated by torch."""

    phi = staticmethod(margin.angular_margin)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        cosines = F.linear(F.normalize(input), F.normalize(self.weight))
        logits = margin.margin_logits(cosines, target, self.phi, self.margin, self.scale)
        return F.cross_entropy(logits, target)


class TorchCosFaceLoss(TorchArcFaceLoss):
    """The same formula as manualnn's, differentiated by torch."""

    phi = staticmethod(margin.cosine_margin)


LOSSES: dict[str, dict[str, Any]] = {
    "manual": {"arcface": margin.ArcFaceLoss, "cosface": margin.CosFaceLoss},
    "torch": {"arcface": TorchArcFaceLoss, "cosface": TorchCosFaceLoss},
}
