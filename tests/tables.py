"""Every setting of every layer and loss, gathered from the tables of their families."""

from tests.layers.test_activations import CASES as ACTIVATIONS
from tests.layers.test_batchnorm import CASES as BATCH_NORM
from tests.layers.test_conv import CASES as CONV
from tests.layers.test_flatten import CASES as FLATTEN
from tests.layers.test_linear import CASES as LINEAR
from tests.layers.test_pooling import CASES as POOLING
from tests.layers.test_softmax import CASES as SOFTMAX
from tests.losses.test_cross_entropy import CASES as CROSS_ENTROPY
from tests.losses.test_mse import CASES as MSE

CASES = [
    *LINEAR,
    *CONV,
    *POOLING,
    *BATCH_NORM,
    *ACTIVATIONS,
    *FLATTEN,
    *SOFTMAX,
    *MSE,
    *CROSS_ENTROPY,
]


def one_of_each(cases=CASES):
    """The first training case of every class, for what does not depend on the options."""
    return list({case.name: case for case in reversed(cases) if case.training}.values())[::-1]
