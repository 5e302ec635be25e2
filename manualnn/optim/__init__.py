"""Optimizers whose update is written out by hand, drop-in for their ``torch.optim`` twins."""

from manualnn.optim.adadelta import Adadelta
from manualnn.optim.adam import Adam, AdamW
from manualnn.optim.sgd import SGD

__all__ = ["SGD", "Adadelta", "Adam", "AdamW"]
