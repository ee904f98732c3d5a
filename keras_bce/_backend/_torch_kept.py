"""torch: a loss that was computed, for a metric of the same tensors in the same step."""

from typing import Any
from weakref import ref

from keras_bce._typing import Tensor


class KeptLosses:
    """The last loss of each tensor of predictions, as long as it and its labels are alive.

    Tensors are referred to weakly: autograd's record of labels that were computed from the
    predictions would keep these alive. Nothing is written on tensors, since that would be saved
    along with them.

    A tensor that changed in place, as far as torch counts changes, is no longer the same. Fused
    optimizers change parameters uncounted, so that nothing is kept of a leaf that requires a
    gradient. Changes through `.data` or NumPy are not counted either, and are not seen here.
    """

    def __init__(self) -> None:
        self._by_id: dict[int, Any] = {}

    def keep(self, value: Tensor, what: Any, prediction: Tensor, *others: Tensor | None) -> None:
        """Keeps a loss of tensors; `what` says which loss it is."""
        key = id(prediction)

        def forget(_: Any) -> None:
            self._by_id.pop(key, None)

        tensors = [x for x in (prediction, *others) if x is not None]
        versions = _versions(tensors)
        if versions is not None:
            references = [ref(x, forget) for x in tensors]
            self._by_id[key] = (what, references, versions, value.detach())

    def find(self, what: Any, prediction: Tensor, *others: Tensor | None) -> Tensor | None:
        """The same loss of the same tensors, if they did not change since."""
        kept = self._by_id.get(id(prediction))
        if kept is None or kept[0] != what:
            return None
        _, references, versions, value = kept
        tensors = [x for x in (prediction, *others) if x is not None]
        same = len(tensors) == len(references) and all(
            reference() is x for reference, x in zip(references, tensors, strict=True)
        )
        return value if same and _versions(tensors) == versions else None


def _versions(tensors: list[Tensor]) -> list[int] | None:
    """How often each was changed in place; `None` if one may change without being counted."""
    if any(x.is_inference() or (x.is_leaf and x.requires_grad) for x in tensors):
        return None
    return [x._version for x in tensors]
