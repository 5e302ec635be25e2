"""Modules of torch.nn are found right, in both precisions, but for what is named here."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from manualnn.checks import check_module
from manualnn.checks.subject import mapped

# Where torch is wrong, and why.
DEFECTS = {
    "Hardsigmoid": "1/6 is held in single precision",
    "CTCLoss": "its gradient holds for log-probabilities that stay normalised only",
}

generator = torch.Generator().manual_seed(0)


def random(*shape):
    return torch.randn(shape, generator=generator)


rows, sequence, images, volumes = (
    random(5, 4),
    random(2, 4, 7),
    random(2, 4, 6, 5),
    random(1, 2, 4, 4, 3),
)
targets, tokens, steps = (
    random(5, 4),
    torch.randint(7, (4, 2), generator=generator),
    random(3, 2, 8),
)
shares, classes = torch.sigmoid(random(5, 4)), torch.tensor([0, 1, 3, 2, 1])
truths, signs = (shares > 0.5).float(), torch.where(random(5, 4) > 0, 1.0, -1.0)

OF_ROWS = (
    *(nn.Linear(4, 3), nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(), nn.PReLU()),
    *(nn.ELU(), nn.CELU(), nn.SELU(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(), nn.GLU()),
    *(nn.Sigmoid(), nn.Tanh(), nn.Softplus(), nn.Softsign(), nn.LogSigmoid(), nn.Tanhshrink()),
    *(
        nn.Softmax(1),
        nn.LogSoftmax(1),
        nn.Softmin(1),
        nn.Hardtanh(),
        nn.Hardswish(),
        nn.Hardsigmoid(),
    ),
    *(nn.Hardshrink(), nn.Softshrink(), nn.Threshold(0.1, 0.5), nn.RReLU(), nn.Identity()),
    *(nn.Dropout(), nn.AlphaDropout(), nn.FeatureAlphaDropout(), nn.LayerNorm(4), nn.RMSNorm(4)),
    *(nn.BatchNorm1d(4), nn.BatchNorm1d(4).eval(), nn.Flatten(), nn.Unflatten(1, (2, 2))),
)
OF_SEQUENCES = (
    *(nn.Conv1d(4, 3, 3, padding=1, stride=2), nn.ConvTranspose1d(4, 3, 3), nn.MaxPool1d(2)),
    *(nn.AvgPool1d(2), nn.LPPool1d(2, 2), nn.AdaptiveAvgPool1d(3), nn.AdaptiveMaxPool1d(3)),
    *(nn.InstanceNorm1d(4), nn.GroupNorm(2, 4), nn.ReflectionPad1d(2), nn.ReplicationPad1d(1)),
    *(nn.CircularPad1d(1), nn.Upsample(scale_factor=2, mode="linear"), nn.Dropout1d()),
)
OF_IMAGES = (
    *(nn.Conv2d(4, 3, 3), nn.Conv2d(4, 6, 3, 2, 1, 2, 2), nn.ConvTranspose2d(4, 3, 3, 2, 1, 1)),
    nn.Conv2d(4, 4, 3, padding="same", groups=4, padding_mode="reflect"),
    *(nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2), nn.LPPool2d(2, 2)),
    *(nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.FractionalMaxPool2d(2, (3, 2))),
    *(
        nn.AdaptiveAvgPool2d(3),
        nn.AdaptiveMaxPool2d(2),
        nn.BatchNorm2d(4),
        nn.BatchNorm2d(4).eval(),
    ),
    *(nn.BatchNorm2d(4, affine=False), nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4)),
    *(
        nn.LocalResponseNorm(2),
        nn.PixelShuffle(2),
        nn.ChannelShuffle(2),
        nn.Unfold(2),
        nn.Dropout2d(),
    ),
    *(nn.ZeroPad2d(1), nn.ReflectionPad2d(1), nn.ConstantPad2d(1, 0.5), nn.Softmax2d()),
    *(nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=2, mode="bilinear")),
    nn.Upsample(scale_factor=1.5, mode="bicubic"),
)
OF_VOLUMES = (
    *(nn.Conv3d(2, 2, 2), nn.ConvTranspose3d(2, 2, 2), nn.MaxPool3d(2), nn.AvgPool3d(2)),
    nn.BatchNorm3d(2),
)
REGRESSION = (
    *(nn.MSELoss(), nn.MSELoss(reduction="none"), nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss()),
    nn.PoissonNLLLoss(),
)
CASES = [
    *((module, (rows,)) for module in OF_ROWS),
    *((module, (sequence,)) for module in OF_SEQUENCES),
    *((module, (images,)) for module in OF_IMAGES),
    *((module, (volumes,)) for module in OF_VOLUMES),
    *((module, (rows, targets)) for module in REGRESSION),
    (nn.Fold((3, 3), (2, 2)), (random(1, 8, 4),)),
    (nn.PixelUnshuffle(2), (random(1, 2, 4, 4),)),
    (nn.Embedding(7, 3), (tokens,)),
    (nn.Embedding(7, 3, padding_idx=0, max_norm=1.0), (tokens,)),
    (nn.EmbeddingBag(7, 3), (tokens,)),
    (nn.Bilinear(4, 3, 2), (rows, random(5, 3))),
    (nn.CosineSimilarity(), (rows, targets)),
    (nn.PairwiseDistance(), (rows, targets)),
    (nn.RNN(8, 5), (steps,)),
    (nn.LSTM(8, 5, 2), (steps,)),
    (nn.GRU(8, 5, bidirectional=True), (steps,)),
    (nn.LSTMCell(4, 3), (rows,)),
    (nn.GRUCell(4, 3), (rows,)),
    (nn.MultiheadAttention(8, 2), (steps, steps, steps)),
    (nn.TransformerEncoderLayer(8, 2, 16), (steps,)),
    (nn.TransformerEncoderLayer(8, 2, 16).eval(), (steps,)),
    (nn.TransformerDecoderLayer(8, 2, 16), (steps, steps)),
    (nn.Transformer(4, 2, 1, 1, 6, batch_first=True), (random(2, 3, 4), random(2, 4, 4))),
    (nn.CrossEntropyLoss(), (rows, classes)),
    (nn.CrossEntropyLoss(label_smoothing=0.1, weight=shares[0]), (rows, classes)),
    (nn.NLLLoss(), (rows, classes)),
    (nn.KLDivLoss(reduction="batchmean"), (rows, shares)),
    (nn.BCELoss(), (shares, truths)),
    (nn.BCEWithLogitsLoss(), (rows, truths)),
    (nn.SoftMarginLoss(), (rows, signs)),
    (nn.HingeEmbeddingLoss(), (rows, signs)),
    (nn.MarginRankingLoss(), (rows[:, 0], targets[:, 0], signs[:, 0])),
    (nn.MultiMarginLoss(), (rows, classes)),
    (nn.MultiLabelSoftMarginLoss(), (rows, truths)),
    (nn.MultiLabelMarginLoss(), (rows, torch.tensor([[0, 2, -1, -1]] * 5))),
    (nn.TripletMarginLoss(), (rows, targets, rows.flip(0))),
    (nn.CosineEmbeddingLoss(), (rows, targets, signs[:, 0])),
    (nn.GaussianNLLLoss(), (rows, targets, shares)),
    (nn.AdaptiveLogSoftmaxWithLoss(4, 8, [3]), (rows, torch.tensor([0, 4, 3, 2, 7]))),
    (
        nn.CTCLoss(),
        (
            random(8, 2, 5).log_softmax(2),
            torch.tensor([[1, 2], [3, 1]]),
            *(torch.tensor([length, length]) for length in (8, 2)),
        ),
    ),
]


@pytest.mark.parametrize(("module", "inputs"), CASES, ids=lambda each: type(each).__name__)
def test_nothing_is_wrong_with_torchs_own(module, inputs):
    report = check_module(module, *inputs)
    assert report.ok == (type(module).__name__ not in DEFECTS), report


@pytest.mark.parametrize(("module", "inputs"), CASES, ids=lambda each: type(each).__name__)
def test_nor_in_double_precision(module, inputs):
    inputs = mapped(lambda _, t: t.double() if t.is_floating_point() else t, inputs)
    report = check_module(deepcopy(module).double(), *inputs, only=["first-order", "second-order"])
    assert report.ok == (type(module).__name__ not in DEFECTS), report


@pytest.mark.parametrize("module", [each for each in OF_IMAGES if list(each.parameters())], ids=str)
def test_nor_in_channels_last(module):
    module = module.to(memory_format=torch.channels_last)
    assert check_module(module, images.to(memory_format=torch.channels_last)).ok
