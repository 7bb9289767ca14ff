"""What trainer/sgd.py and trainer/muon.py put around an optimizer of torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Around:
    """An optimizer whose groups, state and state dict are those of the one that it stands around."""

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self._inner = inner

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return self._inner.param_groups

    @property
    def state(self) -> dict[Tensor, Any]:
        return self._inner.state

    def state_dict(self) -> dict[str, Any]:
        return self._inner.state_dict()

    def load_state_dict(self, content: dict[str, Any]) -> None:
        self._inner.load_state_dict(content)
