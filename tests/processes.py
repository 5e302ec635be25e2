"""What two processes compute together in tests/test_distributed.py, for spawn to import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset

import manualnn

SETTINGS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {  # samples of each, options
    "halves": ((3, 3), {}),
    "uneven": ((4, 2), {"momentum": None}),
    "one value in one process": ((1, 5), {"bias": False}),
    "nothing in one process": ((0, 6), {"momentum": 0.7}),
    "without gamma": ((2, 4), {"affine": False}),
    "without running statistics": ((5, 1), {"track_running_stats": False}),
}


def random(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def part(values: Tensor, sizes: tuple[int, ...], rank: int) -> Tensor:
    return values.split(sizes)[rank]


def layer_of(kind: type[nn.Module], options: dict[str, Any]) -> nn.Module:
    layer = kind(3, **options).double()
    with torch.no_grad():
        for seed, parameter in enumerate(layer.parameters()):
            parameter.copy_(random(seed, 3))
    return layer


def results(layer: nn.Module, take: Any) -> dict[str, list[Tensor]]:
    """Three orders, the forward mode and the running statistics of a part of one batch.

    What is differentiated is a sum over the samples, so that the parts add up to the whole.
    """
    x, delta, v = (take(random(seed, 6, 3, 2)) for seed in (10, 11, 12))
    x.requires_grad_()
    output = layer(x)
    by = [x, *layer.parameters()]
    first = torch.autograd.grad(output, by, delta, create_graph=True)
    penalty = first[0].pow(3).sum() + sum(g.sum() for g in first[1:])
    second = torch.autograd.grad(penalty, by, create_graph=True, materialize_grads=True)
    third = torch.autograd.grad(second[0].pow(2).sum(), by, materialize_grads=True)
    statistics = [b.clone() for b in layer.buffers()]
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(layer(forward_ad.make_dual(x.detach(), v))).tangent
    orders = {"first": first, "second": second, "third": third}
    made = {f"{order} order by x": [g[0].detach()] for order, g in orders.items()}
    made |= {f"{order} order": [g.detach() for g in gs[1:]] for order, gs in orders.items()}
    return made | {
        "output": [output.detach()],
        "tangent": [tangent.detach()],
        "statistics": statistics,
        "evaluation": [layer.eval()(x).detach()],
    }


def net(namespace: Any, norm: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    layers = namespace.Conv1d(2, 3, 2), norm(3), namespace.ReLU(), nn.Flatten()
    return nn.Sequential(*layers, namespace.Linear(9, 2)).double()


def net_gradients(model: nn.Module, take: Any) -> list[Tensor]:
    model(take(random(20, 6, 2, 4))).pow(2).sum().backward()
    return [parameter.grad for parameter in model.parameters()]


class Digits(LightningModule):
    """A converted net with batch norm and a functional call, under a Trainer."""

    def __init__(self) -> None:
        super().__init__()
        self.net = manualnn.convert(net(nn, nn.BatchNorm1d))

    def forward(self, values: Tensor) -> Tensor:
        return self.net(values)

    def training_step(self, batch: list[Tensor]) -> Tensor:
        return self(batch[0]).pow(2).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fitted(folder: str, samples_per_process: int, **options: Any) -> Digits:
    """The net after one epoch of one step with a batch of six samples in all."""
    data = DataLoader(TensorDataset(random(20, 6, 2, 4)), samples_per_process)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(max_epochs=1, accelerator="cpu", default_root_dir=folder, **quiet, **options)
    trainer.fit(model := Digits(), data)
    return model


def work(rank: int, folder: str) -> None:
    """Process ``rank`` of two: all settings, then a net; results into the folder."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=Path(folder, "meeting").as_uri(), rank=rank, world_size=2
    )
    made: dict[str, Any] = {}
    for name, (sizes, options) in SETTINGS.items():
        layer = layer_of(manualnn.SyncBatchNorm, options)
        made[name] = results(layer, lambda values, sizes=sizes: part(values, sizes, rank).clone())
    alone = [torch.distributed.new_group([each]) for each in range(2)]
    layer = layer_of(manualnn.SyncBatchNorm, {"process_group": alone[rank]})
    made["alone"] = layer(part(random(10, 6, 3, 2), (3, 3), rank)).detach()
    try:
        layer(random(10, 1, 3))
    except ValueError as error:
        made["refused alone"] = str(error)
    model = net(manualnn, manualnn.SyncBatchNorm)
    made["net"] = net_gradients(model, lambda values: part(values, (4, 2), rank))
    model = manualnn.SyncBatchNorm.convert_sync_batchnorm(manualnn.convert(net(nn, nn.BatchNorm1d)))
    parallel = DistributedDataParallel(model)
    made["parallel"] = net_gradients(parallel, lambda values: part(values, (4, 2), rank))
    low = manualnn.SyncBatchNorm(3)(part(random(10, 6, 3, 2), (3, 3), rank).bfloat16())
    made["bfloat16"] = low.detach()
    torch.save(made, Path(folder, f"{rank}.pt"))
    torch.distributed.destroy_process_group()
