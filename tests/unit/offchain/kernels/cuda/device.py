"""Where the kernels run in these tests: on a GPU if there is one, else in the interpreter."""

import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
