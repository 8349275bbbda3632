"""Exact sizes of convolutions, transposed convolutions, poolings and interpolations."""
