"""torch: keeps losses, so that a metric of the same tensors need not compute them again."""

from operator import is_
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

    def keep(self, value: Tensor, what: Any, tensors: tuple[Tensor, ...]) -> None:
        """Keeps a loss of predictions and other tensors; `what` says which loss it is."""
        versions = _versions(tensors)
        if versions is None:
            return
        key = id(tensors[0])

        def forget(_: Any) -> None:
            self._by_id.pop(key, None)

        references = [ref(x, forget) for x in tensors]
        self._by_id[key] = (what, references, versions, value.detach())

    def find(self, what: Any, tensors: tuple[Tensor, ...]) -> Tensor | None:
        """The loss that was kept for these tensors, if none of them changed since."""
        kept = self._by_id.get(id(tensors[0]))
        if kept is None or kept[0] != what:
            return None
        _, references, versions, value = kept
        same = all(map(is_, [reference() for reference in references], tensors))
        return value if same and versions == _versions(tensors) else None


def _versions(tensors: tuple[Tensor, ...]) -> list[int] | None:
    """How often each was changed in place; `None` if one may change without being counted."""
    versions = []
    for x in tensors:
        if x.is_inference() or (x.is_leaf and x.requires_grad):
            return None
        versions.append(x._version)
    return versions
