"""Kernels for NVIDIA's devices, written in Triton; its interpreter tests them on a CPU."""
