"""Every setting of every layer and loss, gathered from the tables of their families."""

from tests.layers.test_activations import CASES as ACTIVATIONS
from tests.layers.test_adaptive_max_pooling import CASES as ADAPTIVE_MAX_POOLING
from tests.layers.test_average_pooling import CASES as AVERAGE_POOLING
from tests.layers.test_batchnorm import CASES as BATCH_NORM
from tests.layers.test_conv import CASES as CONV
from tests.layers.test_conv_transpose import CASES as CONV_TRANSPOSE
from tests.layers.test_dropout import CASES as DROPOUT
from tests.layers.test_embedding import CASES as EMBEDDING
from tests.layers.test_flatten import CASES as FLATTEN
from tests.layers.test_groupnorm import CASES as GROUP_NORM
from tests.layers.test_instancenorm import CASES as INSTANCE_NORM
from tests.layers.test_layernorm import CASES as LAYER_NORM
from tests.layers.test_linear import CASES as LINEAR
from tests.layers.test_local_response_norm import CASES as LOCAL_RESPONSE_NORM
from tests.layers.test_pooling import CASES as POOLING
from tests.layers.test_resize import CASES as RESIZE
from tests.layers.test_softmax import CASES as SOFTMAX
from tests.losses.test_binary_cross_entropy import CASES as BINARY_CROSS_ENTROPY
from tests.losses.test_cross_entropy import CASES as CROSS_ENTROPY
from tests.losses.test_kl_div import CASES as KL_DIV
from tests.losses.test_l1 import CASES as L1
from tests.losses.test_mse import CASES as MSE
from tests.losses.test_nll import CASES as NLL

CASES = [
    *LINEAR,
    *CONV,
    *CONV_TRANSPOSE,
    *POOLING,
    *ADAPTIVE_MAX_POOLING,
    *AVERAGE_POOLING,
    *BATCH_NORM,
    *LAYER_NORM,
    *GROUP_NORM,
    *INSTANCE_NORM,
    *LOCAL_RESPONSE_NORM,
    *ACTIVATIONS,
    *DROPOUT,
    *EMBEDDING,
    *FLATTEN,
    *SOFTMAX,
    *RESIZE,
    *MSE,
    *L1,
    *CROSS_ENTROPY,
    *NLL,
    *BINARY_CROSS_ENTROPY,
    *KL_DIV,
]


def one_of_each(cases=CASES):
    """The first training case of every class, for what does not depend on the options."""
    return list({case.name: case for case in reversed(cases) if case.training}.values())[::-1]
