"""The kernels compiled for any CPU."""
