"""What torch refuses we refuse: the same error, a message that helps, nothing changed before."""

import re

import pytest
import torch
from torch import nn

import manualnn
from tests.refused.activations import REFUSED as ACTIVATIONS
from tests.refused.average_pooling import REFUSED as AVERAGE_POOLING
from tests.refused.batchnorm import REFUSED as BATCH_NORM
from tests.refused.conv import REFUSED as CONV
from tests.refused.conv_transpose import REFUSED as CONV_TRANSPOSE
from tests.refused.cross_entropy import REFUSED as CROSS_ENTROPY
from tests.refused.dropout import REFUSED as DROPOUT
from tests.refused.embedding import REFUSED as EMBEDDING
from tests.refused.flatten import REFUSED as FLATTEN
from tests.refused.linear import REFUSED as LINEAR
from tests.refused.losses_of_elements import REFUSED as LOSSES_OF_ELEMENTS
from tests.refused.max_pooling import REFUSED as MAX_POOLING
from tests.refused.nll import REFUSED as NLL
from tests.refused.normalisation import REFUSED as NORMALISATION
from tests.refused.resize import REFUSED as RESIZE
from tests.refused.softmax import REFUSED as SOFTMAX

REFUSED = [
    *LINEAR,
    *CONV,
    *CONV_TRANSPOSE,
    *MAX_POOLING,
    *AVERAGE_POOLING,
    *RESIZE,
    *BATCH_NORM,
    *NORMALISATION,
    *ACTIVATIONS,
    *DROPOUT,
    *EMBEDDING,
    *FLATTEN,
    *SOFTMAX,
    *LOSSES_OF_ELEMENTS,
    *CROSS_ENTROPY,
    *NLL,
]


@pytest.mark.filterwarnings("ignore:.*(target|dropout2d)")
@pytest.mark.parametrize("bad", [bad for bad in REFUSED if bad.torch_refuses], ids=str)
def test_refuses_what_torch_refuses_with_its_kind_of_error(bad):
    with pytest.raises(bad.error) as theirs:
        bad.layer(nn)(*bad.tensors())
    with pytest.raises(bad.error) as ours:
        bad.layer(manualnn)(*bad.tensors())
    assert isinstance(ours.value, theirs.type) or isinstance(theirs.value, ours.type)


@pytest.mark.filterwarnings("ignore:.*(target|dropout2d)")
@pytest.mark.parametrize("bad", REFUSED, ids=str)
def test_names_the_value_and_what_would_fit_and_changes_nothing(bad):
    layer, inputs = bad.layer(manualnn), bad.tensors()
    state = list(layer.state_dict().values()) if isinstance(layer, nn.Module) else []
    before = [(tensor.clone(), tensor._version) for tensor in (*state, *inputs)]
    with pytest.raises(bad.error, match=re.escape(bad.value)) as raised:
        layer(*inputs)
    assert bad.fits in str(raised.value)
    for tensor, (values, version) in zip((*state, *inputs), before, strict=True):
        assert torch.equal(tensor, values)
        assert tensor._version == version
