"""Kernels whose bits do not depend on hardware, tiling or order."""
