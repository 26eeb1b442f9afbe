"""When training leads nowhere: steps so long that they lead uphill, or out of what float32 holds."""

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from diptych._validate import FloatArray
from diptych.nn._layer import Layer

# Times the loss of who knows nothing, as the mean of an epoch. Steps ten times as long as by default make 25
# of it on a sentence or two, and come back.
_ABSURD = 100


def absurd(*choices: int) -> float:
    """Return a loss, the sum of those of choices among so many, that no descent gets to."""
    return _ABSURD * max(math.log(2), sum(math.log(max(1, n)) for n in choices))


def refuse_loss(loss: float, most: float, rate: float) -> None:
    """Stop where a loss is more than that, or not finite."""
    if not (math.isfinite(loss) and loss <= most):
        _stop(f"the loss is {loss:.6g}", rate)


def refuse_weights(layers: Mapping[str, Layer], rate: float) -> None:
    """Stop where a weight is not finite."""
    for name, layer in layers.items():
        if not all(_is_finite(weight) for weight in layer.state_dict().values()):
            _stop(f"weights of {name} are not finite", rate)


def _is_finite(weight: FloatArray) -> bool:
    row: Any = weight.ravel()
    # The product is quick; where it is too large the weights need not be.
    return math.isfinite(float(np.dot(row, row))) or bool(np.isfinite(row).all())


def _stop(why: str, rate: float) -> NoReturn:
    raise FloatingPointError(
        f"training diverged at a learning rate of {rate:.6g}, {why}: lower learning_rate."
    )
