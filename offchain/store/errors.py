"""Why an artifact cannot be used. A worker may lose a task to these, never itself."""


class StoreError(Exception):
    """Something about a store or an artifact; the message names it."""


class UnusableStore(StoreError):
    """A URL that names no store, or whose filesystem package is not installed."""


class StoreUnavailable(StoreError):
    """The store exists but could not be read or written; trying again later may help."""


class ArtifactMissing(StoreError):
    """The store does not hold the artifact."""


class ArtifactTruncated(StoreError):
    """Fewer bytes than the artifact must have."""


class ArtifactTooLarge(StoreError):
    """More bytes than the artifact must have, or than the caller accepts."""


class WrongHash(StoreError):
    """The bytes are not those that the root or digest commits to."""


class NonCanonicalNan(StoreError):
    """A float32 tensor with a NaN other than 0x7fc00000: devices may not keep its bits."""


class WrongTensor(StoreError):
    """Tensors whose names, types or shapes are not those of the program."""


class UnreadableWeights(StoreError):
    """A file that is no safetensors file."""
