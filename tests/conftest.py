"""Settings that must be there before anything is imported."""

import os

os.environ["TRITON_INTERPRET"] = "1"  # our programs for a GPU (trainer/kernels/norm.py) run on the CPU, in numpy
