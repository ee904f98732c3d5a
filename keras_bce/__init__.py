"""Binary cross-entropy for Keras 3: losses and metrics for binary and multi-label models."""

from keras_bce import losses, metrics
from keras_bce.balance import balanced_pos_weight
from keras_bce.checks import check_inputs

__version__ = "0.1.0"

__all__ = ["__version__", "balanced_pos_weight", "check_inputs", "losses", "metrics"]
