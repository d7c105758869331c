"""An nn.Module as a pure function of its parameters and buffers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from gan_cli.innermost import channels_innermost
from gan_cli.types import Buffers, Params

_WEIGHTED = (nn.Linear, nn.modules.conv._ConvNd)


class Network:
    """(params, buffers, *inputs) -> (y, new buffers), for any module that the factory makes.

    Two copies of the module, one in training and one in evaluation mode, serve as skeletons: a call lends
    them the tensors it was given, and takes them back. torch.func.functional_call does the same, slower
    (12 % of a round between two small MLPs, see benchmarks/).
    """

    def __init__(
        self,
        factory: Callable[[], nn.Module],
        dtype: torch.dtype = torch.float32,
        autocast: torch.dtype | None = None,
        channels_last: bool = False,
    ):
        self._factory = factory
        self._dtype = dtype
        self._autocast = autocast
        self._channels_last = channels_last
        self.module = factory().to(dtype).train()
        inner = channels_innermost(copy.deepcopy(self.module)) if channels_last else self.module
        self._modes = {True: _Skeleton(inner), False: _Skeleton(copy.deepcopy(inner).eval())}
        self._reader = _Reader(copy.deepcopy(self.module).to("meta"))

    def init(self, seed: int, device: torch.device | str = "cpu") -> tuple[Params, Buffers]:
        """Fresh parameters and buffers: a function of the seed alone, the same on every device."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = self._factory().to(self._dtype).to(device)
        params = {name: p.detach() for name, p in module.named_parameters()}
        return params, {name: b.detach() for name, b in module.named_buffers()}

    def changed(self, change: Callable[[nn.Module], nn.Module]) -> Network:
        """The same network after a change to each fresh module."""
        return Network(lambda: change(self._factory()), self._dtype, self._autocast, self._channels_last)

    def __call__(
        self,
        params: Params,
        buffers: Buffers,
        *inputs: Any,
        training: bool = True,
        method: str = "__call__",
        autocast: bool = True,
    ) -> tuple[Any, Buffers]:
        """What the module, or one of its methods, gives, and its buffers after; nothing given is changed.

        autocast: whether the network's own precision holds; else all is worked out in that of the parameters.
        """
        skeleton = self._modes[training]
        if self._autocast is None or not autocast:
            return skeleton(params, buffers, *inputs, method=method)
        device = next(iter(params.values())).device.type
        with torch.autocast(device, dtype=self._autocast):
            y, after = skeleton(params, buffers, *inputs, method=method)
        return tree_map_only(Tensor, self._widened, y), after

    def _widened(self, y: Tensor) -> Tensor:
        return y.to(self._dtype) if y.dtype == self._autocast else y

    def features(self, params: Params, buffers: Buffers, *inputs: Tensor, layer: int = -1) -> Tensor:
        """What the layer with weights of that number reads in training mode: -1 is the last, 0 the first.

        Layers with weights are linear maps and convolutions, in the order in which the module lists them.
        Raises IndexError for a number that none has.
        """
        if self._autocast is None:
            return self._reader.read(params, buffers, inputs, layer)
        with torch.autocast(inputs[0].device.type, dtype=self._autocast):
            found = self._reader.read(params, buffers, inputs, layer)
        return found.to(self._dtype)

    @property
    def depth(self) -> int:
        """How many layers with weights there are."""
        return len(self._reader.weighted)

    @property
    def mixes_batch(self) -> bool:
        """Whether in training an example's output depends on the rest of its batch."""
        mixing = (nn.modules.batchnorm._BatchNorm,)
        return any(isinstance(m, mixing) or getattr(m, "mixes_batch", False) for m in self.module.modules())

    @property
    def draws(self) -> bool:
        """Whether in training the module draws random numbers that nobody handed it."""
        return any(isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0 for m in self.module.modules())


class _Skeleton:
    def __init__(self, module: nn.Module):
        self._module = module
        self._params = _slots(module, "_parameters", dict(module.named_parameters()))
        self._buffers = _slots(module, "_buffers", dict(module.named_buffers()))
        self._own = [slot[key] for slot, key, _ in self._params + self._buffers]

    def __call__(
        self, params: Params, buffers: Buffers, *inputs: Any, method: str = "__call__"
    ) -> tuple[Any, Buffers]:
        try:
            for slot, key, name in self._params:
                slot[key] = params[name]
            for slot, key, name in self._buffers:  # clones: BatchNorm updates its statistics in place
                slot[key] = buffers[name].clone()
            y = getattr(self._module, method)(*inputs)
            return y, {name: slot[key].detach() for slot, key, name in self._buffers}
        finally:
            for (slot, key, _), own in zip(self._params + self._buffers, self._own, strict=True):
                slot[key] = own


class _Reader(_Skeleton):
    """A skeleton that notes what its layers with weights read.

    Its hooks stay for good: setting one up is nothing that a compiled graph could do.
    """

    def __init__(self, module: nn.Module):
        super().__init__(module)
        self.weighted = [m for m in module.modules() if isinstance(m, _WEIGHTED)]
        self._found: dict[int, Tensor] = {}
        for number, layer in enumerate(self.weighted):
            layer.register_forward_pre_hook(partial(self._note, number))

    def read(self, params: Params, buffers: Buffers, inputs: Sequence[Tensor], layer: int) -> Tensor:
        number = range(len(self.weighted))[layer]
        self(params, buffers, *inputs)
        found = self._found[number]
        self._found.clear()
        return found

    def _note(self, number: int, _: nn.Module, read: tuple[Tensor, ...]) -> None:
        self._found[number] = read[0]


def _slots(
    module: nn.Module, kind: str, named: Mapping[str, Tensor]
) -> list[tuple[dict[str, Tensor], str, str]]:
    """Where each tensor hangs: (a module's dict, its key there, its name). Tied tensors share a name."""
    names = {id(tensor): name for name, tensor in named.items()}
    dicts = [getattr(m, kind) for m in module.modules()]
    return [
        (slot, key, names[id(tensor)]) for slot in dicts for key, tensor in slot.items() if tensor is not None
    ]
