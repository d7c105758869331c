"""Which kind of work `python -m benchmarks.kernels` counts a kernel as, by its name."""

from __future__ import annotations

import pytest

from benchmarks.kernels import KINDS, kind

NAMES = {
    "elementwise, fused": [
        "triton_poi_fused_convolution_leaky_relu_3",
        "triton_per_fused__to_copy_convolution_backward_native_batch_norm_backward_7",
        "triton_red_fused_mean_sum_1",
    ],
    "random numbers": [
        "aten::normal_",
        "aten::randn",
        "aten::uniform_",
        "void at::native::(anonymous namespace)::distribution_elementwise_grid_stride_kernel<float, 4, "
        "at::native::templates::cuda::normal_and_transform<float, float, at::CUDAGeneratorImpl*>>",
    ],
    "convolutions, products": [
        "aten::mkldnn_convolution",
        "aten::convolution_backward",
        "aten::addmm",
        "aten::mm",
        "aten::bmm",
        "nvjet_hsh_128x256_64x4_1x2_h_bz_coopA_NNT",
        "sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x64",
        "void cudnn::cnn::conv2d_grouped_direct_kernel<float>",
        "void cudnn::cnn::wgrad2d_grouped_direct_kernel<float>",
        "void cutlass::Kernel2<cutlass_80_tensorop_bf16_s16816gemm_bf16_256x128_nn_align8>",
    ],
    "normalisation": [
        "aten::native_batch_norm",
        "aten::native_batch_norm_backward",
        "void cudnn::bn_fw_tr_1C11_kernel_NCHW<float, float, int, 512, true, 1, true>",
        "void at::native::batch_norm_collect_statistics_channels_last_kernel<c10::BFloat16>",
        "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<float, float>",
    ],
    "copies": [
        "aten::copy_",
        "aten::cat",
        "aten::zero_",
        "Memcpy DtoD (Device -> Device)",
        "Memset (Device)",
        "void cudnn::engines_precompiled::nchwToNhwcKernel<float, float, float, false, true>",
        "void at::native::(anonymous namespace)::CatArrayBatchedCopy_contig<unsigned int>",
    ],
    "sums": [
        "aten::sum",
        "aten::mean",
        "aten::linalg_vector_norm",
        "aten::_foreach_norm",
        "aten::all",
        "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::func_wrapper_t>>",
    ],
    "elementwise": [
        "aten::convert_element_type",
        "aten::leaky_relu_backward",
        "aten::mul",
        "aten::_fused_adam_",
        "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>>",
    ],
}


@pytest.mark.parametrize(("word", "name"), [(word, name) for word, names in NAMES.items() for name in names])
def test_a_kernel_is_of_the_kind_of_its_work(word: str, name: str) -> None:
    assert kind(name) == word


def test_every_kind_is_looked_at() -> None:
    assert set(NAMES) == set(KINDS)
