"""Bit patterns worth trying, and MPFR as the independent referee of binary32 results."""

import random
import struct

import gmpy2

SIGN = 2**31

# Without a sign: zero, subnormals, powers of two, neighbours of thresholds, infinity, NaN payloads.
_SIZES = [
    0x00000000,
    0x00000001,
    0x00000002,
    0x00400000,
    0x007FFFFF,  # largest subnormal
    0x00800000,  # smallest normal
    0x00800001,
    0x00FFFFFF,
    0x01000000,
    0x32FFFFFF,
    0x33000000,  # 2**-25: exp leaves 1.0 about here
    0x33000001,
    0x33800000,  # 2**-24
    0x33800001,
    0x34000000,
    0x397FFFFF,
    0x39800000,  # 2**-12: tanh leaves x
    0x39800001,
    0x3EFFFFFF,
    0x3F000000,
    0x3F3FFFFF,
    0x3F400000,  # 3/4: log changes its reduction
    0x3F7FFFFE,
    0x3F7FFFFF,
    0x3F800000,  # 1
    0x3F800001,
    0x3FBFFFFF,
    0x3FC00000,  # 3/2
    0x40400000,
    0x407FFFFF,
    0x40800000,  # 4: erf becomes 1
    0x41102CB3,  # about 9.01: tanh becomes 1
    0x417FFFFF,
    0x41800000,
    0x42AEAC50,  # exp(-x) becomes subnormal
    0x42B17217,
    0x42B17218,  # exp(x) becomes infinite
    0x42CFF1B4,
    0x42CFF1B5,  # exp(-x) becomes 0
    0x42FFFFFF,
    0x43000000,
    0x4AFFFFFF,
    0x4B000000,  # 2**23: integers from here
    0x4B000001,
    0x4B800000,
    0x4EFFFFFF,
    0x4F000000,  # 2**31: the limit of i32
    0x5F000000,
    0x7F000000,
    0x7F7FFFFF,  # largest finite
    0x7F800000,  # infinity
    0x7F800001,  # NaN payloads
    0x7FC00000,
    0x7FC00001,
    0x7FFFFFFF,
]
EDGES = _SIZES + [size | SIGN for size in _SIZES]

# The arguments whose exact results lie nearest to a rounding boundary, of all 2**32.
HARDEST = {
    "exp": [0xC16912CD, 0xBBF0EDF1, 0xBAE0E25C, 0xB3000000, 0x377EFF81, 0x40315B33, 0x4001B249],
    "log": [
        *[0x65D890D3, 0x4C5D65A5, 0x4D604EBE, 0x66A8C860, 0x1F116AB8, 0x41178FEB, 0x3C413D3A],
        *[0x6F31A8EC, 0x38DCBE38, 0x5EE8984E, 0x4665A9A6, 0x3BF86EF0, 0x79E7EC37, 0x2C4C24B7],
    ],
    "tanh": [0x3AC37DE2, 0xBAC37DE2, 0x3EEE0566, 0x40ACB4D0, 0x3CD41B91, 0x40C5E8CA, 0x3D7C3055],
    "erf": [0x3940EAD6, 0xB940EAD6, 0x39C0057D, 0x36AEA466, 0x358E9D2D, 0x00AA320C, 0x012A320C],
}


def random_pattern(rng: random.Random) -> int:
    """Return an edge, any pattern, or a number of ordinary size."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice(EDGES)
    if kind <= 3:
        return rng.getrandbits(32)
    return rng.getrandbits(1) << 31 | rng.randrange(100, 140) << 23 | rng.getrandbits(23)


def random_pair(rng: random.Random) -> tuple[int, int]:
    """Return two patterns, often so near each other that they cancel or tie."""
    a = random_pattern(rng)
    kind = rng.randrange(4)
    if kind == 0:
        return a, (a ^ rng.getrandbits(1) << 31) + rng.randrange(-4, 5) & 0xFFFFFFFF
    if kind == 1:
        return a, (a ^ rng.getrandbits(1) << 31) + (rng.randrange(-26, 27) << 23) & 0xFFFFFFFF
    return a, random_pattern(rng)


def context() -> gmpy2.context:
    """Return MPFR's context in which every operation rounds to binary32, subnormals included."""
    return gmpy2.context(precision=24, emin=-148, emax=128, subnormalize=True)


def to_mpfr(bits: int) -> gmpy2.mpfr:
    return gmpy2.mpfr(struct.unpack("<f", bits.to_bytes(4, "little"))[0])


def to_bits(value: gmpy2.mpfr) -> int:
    """Return the pattern of a binary32 value, NaN as 0x7fc00000."""
    if gmpy2.is_nan(value):
        return 0x7FC00000
    return int.from_bytes(struct.pack("<f", float(value)), "little")
