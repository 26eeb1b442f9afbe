"""Networks: layers that hold weights, with the names and shapes of torch.nn.

As much as the estimators need, and no framework: a layer is called, with ``training=True`` remembers what its
``backward`` needs, and gives its gradients by name; :class:`Adam` replaces the weights. Recurrent networks
and attention stand on the kernels, or on the reference with ``backend="reference"``; the small layers are
written once, in NumPy.
"""

from diptych.nn._attention import MultiheadAttention
from diptych.nn._layer import Gradients
from diptych.nn._loss import softmax_cross_entropy
from diptych.nn._norm import LayerNorm
from diptych.nn._optimizer import Adam
from diptych.nn._recurrent import LSTM, RNN
from diptych.nn._small import Dropout, Embedding, Linear
from diptych.nn._transformer import TransformerEncoderLayer, sinusoidal_positions

__all__ = [
    "LSTM",
    "RNN",
    "Adam",
    "Dropout",
    "Embedding",
    "Gradients",
    "LayerNorm",
    "Linear",
    "MultiheadAttention",
    "TransformerEncoderLayer",
    "sinusoidal_positions",
    "softmax_cross_entropy",
]
