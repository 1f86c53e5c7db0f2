"""The pretended CUDA of the process that builds."""

from fake_cuda import FakeCuda

runtime = FakeCuda()
