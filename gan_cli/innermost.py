"""Images whose channels lie innermost between a module's layers, and convolutions that are faster so.

What a CPU's convolutions are slow at is written as something that they are fast at, with the same numbers to
rounding: docs/performance.md.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_THIN = 4
"""So few channels of an image, fewer than a vector holds, are folded."""


def channels_innermost(module: nn.Module) -> nn.Module:
    """The module, made to work on images whose channels lie innermost between its convolutions."""
    for part in module.modules():
        if isinstance(part, nn.modules.conv._ConvNd | nn.modules.batchnorm._BatchNorm):
            part.register_forward_pre_hook(_inwards)
        elif isinstance(part, nn.Flatten):
            part.register_forward_pre_hook(_keeping)
        if isinstance(part, nn.Conv2d) and _strided(part):
            part.forward = MethodType(_down, part)  # type: ignore[method-assign]
        elif isinstance(part, nn.ConvTranspose2d) and _strided(part):
            part.forward = MethodType(_up, part)  # type: ignore[method-assign]
    return module


def _inwards(_: nn.Module, read: tuple[Tensor]) -> Tensor | None:
    return _innermost(read[0]) if read[0].ndim == 4 and read[0].stride(1) != 1 else None


def _innermost(x: Tensor) -> Tensor:
    # By permuting, which vmap knows; a clone, since the strides of a single channel read as either layout.
    return x.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format).permute(0, 3, 1, 2)


def _keeping(_: nn.Module, read: tuple[Tensor]) -> Tensor | None:
    x = read[0]
    return _Keeping.apply(x) if x.ndim == 4 and x.stride(1) == 1 else None


class _Keeping(torch.autograd.Function):
    """x -> x, whose gradient is laid out as x is: elementwise kernels crawl over two layouts at once."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        return None

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _innermost(gradient)


# --- strided convolutions ---------------------------------------------------------------------------------


def _strided(part: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Whether it is one whose stride, kernel and padding are numbers, the same in both directions."""
    square = all(len(set(pair)) == 1 for pair in (part.kernel_size, part.stride, part.padding))
    plain = part.groups == 1 and set(part.dilation) == {1} and part.padding_mode == "zeros"
    return square and plain and part.stride[0] > 1 and not isinstance(part.padding, str)


def _folds(part: nn.Conv2d | nn.ConvTranspose2d, channels: int) -> bool:
    return channels <= _THIN and part.kernel_size[0] % part.stride[0] == 0


def _down(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """The convolution of x [B, C, H, W].

    With few channels its s × s pixels a step are folded into s²C channels, and the stride is gone:
    docs/performance.md.
    """
    stride, padding = conv.stride[0], int(conv.padding[0])
    divides = all((side + 2 * padding) % stride == 0 for side in x.shape[2:])
    if x.is_cpu and divides and _folds(conv, conv.in_channels):
        folded = _innermost(F.pixel_unshuffle(F.pad(x, (padding,) * 4), stride))
        return F.conv2d(folded, F.pixel_unshuffle(conv.weight, stride), conv.bias)
    x, weight = _cast(x, conv.weight)
    if not x.is_cpu or x.dtype != torch.bfloat16:
        return F.conv2d(x, weight, conv.bias, stride, padding)
    y: Tensor = _Down.apply(x, weight, stride, padding)
    return y if conv.bias is None else y + conv.bias[:, None, None].to(y.dtype)


def _up(conv: nn.ConvTranspose2d, x: Tensor, output_size: list[int] | None = None) -> Tensor:
    """The transposed convolution of x [B, C, H, W], as `_down` has the other."""
    stride, padding, extra = conv.stride[0], int(conv.padding[0]), conv.output_padding
    if x.is_cpu and output_size is None and extra == (0, 0) and _folds(conv, conv.out_channels):
        bias = None if conv.bias is None else conv.bias.repeat_interleave(stride**2)
        folded = F.conv_transpose2d(x, F.pixel_unshuffle(conv.weight, stride), bias)
        return F.pad(F.pixel_shuffle(folded, stride), (-padding,) * 4)
    if output_size is not None:
        return nn.ConvTranspose2d.forward(conv, x, output_size)
    x, weight = _cast(x, conv.weight)
    if not x.is_cpu or x.dtype != torch.bfloat16:
        return F.conv_transpose2d(x, weight, conv.bias, stride, padding, extra)
    y: Tensor = _Up.apply(x, weight, stride, padding, extra)
    return y if conv.bias is None else y + conv.bias[:, None, None].to(y.dtype)


def _cast(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both as autocast has them, the weight laid out once for all passes."""
    kind = x.device.type
    if not torch.is_autocast_enabled(kind):
        return x, weight
    dtype = torch.get_autocast_dtype(kind)
    inner = weight.permute(0, 2, 3, 1).to(dtype, memory_format=torch.contiguous_format)
    return x.to(dtype), inner.permute(0, 3, 1, 2)


class _Down(torch.autograd.Function):
    """(x, w) -> x convolved with w, whose derivative by w is one matrix product."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        return F.conv2d(x, weight, None, stride, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, ctx.stride, ctx.padding = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        stride, padding, kernel = ctx.stride, ctx.padding, weight.shape[-1]
        to_x = to_weight = None
        if ctx.needs_input_grad[0]:
            extra = tuple((side + 2 * padding - kernel) % stride for side in x.shape[2:])
            to_x = F.conv_transpose2d(gradient, weight, None, stride, padding, extra)
        if ctx.needs_input_grad[1]:
            to_weight = _by_weight(x, gradient, kernel, stride, padding)
        return to_x, to_weight, None, None


class _Up(torch.autograd.Function):
    """(x, w) -> x convolved with w transposed, as `_Down`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, stride: int, padding: int, extra: tuple[int, ...]) -> Tensor:
        return F.conv_transpose2d(x, weight, None, stride, padding, extra)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, ctx.stride, ctx.padding, _ = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        stride, padding, kernel = ctx.stride, ctx.padding, weight.shape[-1]
        to_x = to_weight = None
        if ctx.needs_input_grad[0]:
            to_x = F.conv2d(gradient, weight, None, stride, padding)
        if ctx.needs_input_grad[1]:
            to_weight = _by_weight(gradient, x, kernel, stride, padding)
        return to_x, to_weight, None, None, None


def _by_weight(x: Tensor, gradient: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """Σ over examples and places of gradient ⊗ patch of x: [B, C, …], [B, O, …] -> [O, C, k, k]."""
    patches = F.pad(x, (padding,) * 4).permute(0, 2, 3, 1).unfold(1, kernel, stride).unfold(2, kernel, stride)
    rows, columns = gradient.shape[2:]  # where the kernel does not reach the last pixels, there are no more
    seen = patches[:, :rows, :columns].permute(0, 1, 2, 4, 5, 3).flatten(0, 2).flatten(1)
    product: Tensor = gradient.permute(1, 0, 2, 3).flatten(1) @ seen
    slope: Tensor = product.unflatten(1, (kernel, kernel, -1)).permute(0, 3, 1, 2)
    return slope
