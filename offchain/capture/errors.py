"""Why a training step cannot be captured: one exception per reason."""


class CaptureError(ValueError):
    """The module, its optimiser or its data cannot be captured."""


class UnsupportedOperator(CaptureError):
    """An ATen operator that has no lowering, or none for these dtypes or arguments."""


class UnsupportedDtype(CaptureError):
    """A state tensor or a field whose type a program cannot hold."""


class UnsupportedOptimizer(CaptureError):
    """The optimiser keeps state that a program cannot hold, or starts from an unknown one."""


class MalformedLoss(CaptureError):
    """The module's result is not a scalar float32 loss."""


class SlotNameTaken(CaptureError):
    """Two state tensors would have the same slot name."""


class UnknownPolicy(CaptureError):
    """No matmul policy has that name."""


class AccumulatorTooSmall(CaptureError):
    """A contraction so long that its sum could overflow the accumulator."""


class UnevenBatch(CaptureError):
    """The rows of a batch do not divide into the parts asked for."""
