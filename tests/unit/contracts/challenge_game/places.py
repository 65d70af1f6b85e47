"""Where the tests' challengers point: segment, step, slot, operator, instruction, leaf, chunk."""

from tests.game_table import Place

DOT = Place((1, 1, 0, 5, 5, 0, 1), position=3)  # 3 x 2 accumulators of 300 products
SUM = Place((0, 2, 6, 23, 2, 0, 33))  # one accumulator of 8,500 elements
LAST_LEAF = Place((0, 1, 2, 17, 0, 33, 0), position=51)  # the last of 8,500 elements
ADD = Place((2, 0, 8, 26, 0, 0, 0))  # a scalar
