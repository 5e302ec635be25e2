"""Hand-derived layers in Lightning: batch norm synchronised over the devices of a Trainer.

``Trainer(sync_batchnorm=True)`` would put torch's layers in. Instead::

    Trainer(devices=2, strategy="ddp", plugins=[manualnn.lightning.LayerSync()])

Lightning is needed for this module only.
"""

from __future__ import annotations

from typing import Any

from lightning.pytorch.plugins import LayerSync as LightningLayerSync
from torch import nn

from manualnn.distributed import SyncBatchNorm


class LayerSync(LightningLayerSync):
    """Makes every batch norm a :class:`manualnn.SyncBatchNorm` while a Trainer fits, on any device.

    By change of class: optimizers, hooks and names stay, and after the fit every layer is of its
    own class again.
    """

    def __init__(self, process_group: Any = None) -> None:
        """Choose which processes share their statistics; None for all."""
        self.process_group = process_group
        self._before: dict[nn.Module, tuple[type[nn.Module], dict[str, Any]]] = {}

    def apply(self, model: nn.Module) -> nn.Module:
        """Synchronise the batch norm layers of a model, torch's and ours.

        Args:
            model: changed in place.

        Returns:
            The same model.
        """
        for layer in model.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                own = {"process_group"} & vars(layer).keys()
                self._before[layer] = type(layer), {name: vars(layer)[name] for name in own}
        return SyncBatchNorm.convert_sync_batchnorm(model, self.process_group)

    def revert(self, model: nn.Module) -> nn.Module:
        """Give the layers their own classes back.

        Args:
            model: changed in place.

        Returns:
            The same model.
        """
        for layer in model.modules():
            if layer in self._before:
                layer.__class__, own = self._before.pop(layer)
                del layer.process_group
                vars(layer).update(own)
        return model
