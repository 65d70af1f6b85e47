"""Why a program or a task from outside is refused: one class per reason.

Every message names the place (`operator 17 (matmul, model.py:12), instruction 3 (DOT)`), the
value and the limit. `protocol.validation` raises most of them, `protocol.program_file` those of
files.
"""


class InvalidProgram(ValueError):
    """The program must not run: a worker could not execute it, or could not defend it on chain."""

    def at(self, place: str) -> "InvalidProgram":
        """The same rejection, with the place that it concerns in front."""
        return type(self)(f"{place}: {self}")


# --- Counts and names -----------------------------------------------------------------------------


class OperatorCountOutOfRange(InvalidProgram):
    """No operator, or more than OPERATORS_MAX."""


class SlotCountOutOfRange(InvalidProgram):
    """No state slot, or more than SLOTS_MAX."""


class FieldCountOutOfRange(InvalidProgram):
    """More dataset fields than FIELDS_MAX."""


class RowsOutOfRange(InvalidProgram):
    """No record per step, or more than ROWS_MAX."""


class InputCountOutOfRange(InvalidProgram):
    """An operator with more than INPUTS_MAX inputs."""


class InstructionCountOutOfRange(InvalidProgram):
    """An operator, or the program, expands to no or to too many instructions."""


class ReportedCountOutOfRange(InvalidProgram):
    """More reported scalars than REPORTED_MAX."""


class InvalidName(InvalidProgram):
    """A name that is empty, too long or not printable (it would reach terminals and files)."""


class DuplicateName(InvalidProgram):
    """Two slots or two fields of the same name."""


# --- Operators ------------------------------------------------------------------------------------


class NotTopological(InvalidProgram):
    """An input that is not the output of an earlier operator (cycles included)."""


class UnknownKind(InvalidProgram):
    """An operator kind that does not exist."""


class InvalidAttribute(InvalidProgram):
    """An attribute that is no 64-bit integer and no short list of them."""


class UnfitOperator(InvalidProgram):
    """Inputs or attributes that do not fit the operator's kind."""


class UnusedOperator(InvalidProgram):
    """An output that no later operator, slot or report uses: work that nobody asked for."""


class WideOutput(InvalidProgram):
    """An i64 accumulator as the output of an operator."""


# --- Tensors and index maps -----------------------------------------------------------------------


class NotAnInteger(InvalidProgram):
    """A length, stride, offset or index that is no Python int (a bool is none)."""


class RankTooHigh(InvalidProgram):
    """More axes than RANK_MAX."""


class LengthOutOfRange(InvalidProgram):
    """An axis without elements, or longer than a tensor may be."""


class TensorTooLarge(InvalidProgram):
    """More than ELEMENTS_MAX elements, or a tree higher than PATH_MAX."""


class MalformedView(InvalidProgram):
    """A view whose strides do not match its axes."""


class StrideOutOfRange(InvalidProgram):
    """A stride or offset beyond what any tensor has, which a descriptor need not hold."""


class ViewOutOfBounds(InvalidProgram):
    """An index map that reads outside its source."""


# --- Instructions ---------------------------------------------------------------------------------


class MalformedInstruction(InvalidProgram):
    """Operands that name no earlier tensor, or counts that the legality table excludes."""


class IllegalTypes(InvalidProgram):
    """A combination of element types that the legality table does not list."""


class FoldOutOfRange(InvalidProgram):
    """A fold over nothing or over more than FOLD_MAX elements."""


class BitsOutOfRange(InvalidProgram):
    """Bits of QUANTIZE or DEQUANTIZE outside BITS_MIN to BITS_MAX."""


class AxisOutOfRange(InvalidProgram):
    """IOTA or CONCAT along an axis that the output does not have."""


class PositionOverflow(InvalidProgram):
    """IOTA along an axis whose positions do not fit an i32."""


class SplitOutOfRange(InvalidProgram):
    """CONCAT whose first or second part is empty."""


class GatherLimitOutOfRange(InvalidProgram):
    """GATHER from no row, or from more rows than an i32 can name."""


class KeyOutOfRange(InvalidProgram):
    """A key of RANDOM that is no 32-bit word."""


class ConstantOutOfRange(InvalidProgram):
    """CONST of something that is neither an f32 pattern with canonical NaN nor an i32."""


class UnknownSlot(InvalidProgram):
    """LOAD_STATE of a slot that does not exist."""


class UnknownField(InvalidProgram):
    """LOAD_BATCH of a field that does not exist."""


class LoadMismatch(InvalidProgram):
    """LOAD_STATE or LOAD_BATCH in another type or shape than the slot or field has."""


class IntegerOverflow(InvalidProgram):
    """Integer arithmetic that could leave the range of i32."""


class AccumulatorOverflow(InvalidProgram):
    """A fold whose accumulator could exceed 2**ACCUMULATOR_BITS."""


# --- Slots, fields, reports -----------------------------------------------------------------------


class WideStorage(InvalidProgram):
    """A slot or field of i64."""


class UnknownProducer(InvalidProgram):
    """A slot or report that names an operator which does not exist."""


class ProducerMismatch(InvalidProgram):
    """A slot whose producer's output has another type or size."""


class FieldStrideOutOfRange(InvalidProgram):
    """Neighbouring records that start at the same place, or too far apart."""


class NotScalar(InvalidProgram):
    """A reported value of more than one element."""


# --- Files ----------------------------------------------------------------------------------------


class MalformedFile(InvalidProgram):
    """A program file that does not follow the format.

    The place is a path into the document: `operators[17].inputs[1].view.strides`.
    """

    def __init__(self, reason: str, path: str = ""):
        place = path.removeprefix(".")
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason = reason
        self.path = path

    def inside(self, step: str) -> "MalformedFile":
        """The same rejection seen from one level further out; `step` is `.key` or `[index]`."""
        return type(self)(self.reason, step + self.path)


class FileTooLarge(MalformedFile):
    """More bytes than `program_file.FILE_BYTES_MAX`."""


class FileTooDeep(MalformedFile):
    """Lists and objects nested deeper than the format nests them."""


class NotJson(MalformedFile):
    """Bytes that are no JSON text."""


class WrongType(MalformedFile):
    """A value of another JSON type than the format has there."""


class NumberOutOfRange(MalformedFile):
    """An integer that does not fit 64 bits."""


class UnknownDtype(MalformedFile):
    """An element type that does not exist."""


class MissingKey(MalformedFile):
    """An object without a key that the format asks for."""


class UnknownKey(MalformedFile):
    """An object with a key that the format does not know."""


class DuplicateKey(MalformedFile):
    """An object with the same key twice."""


class UnknownFormat(MalformedFile):
    """A file of another kind or version."""


class NotCanonical(MalformedFile):
    """A file that says what it says in other bytes than the canonical ones."""


# --- Tasks ----------------------------------------------------------------------------------------


class InvalidTask(ValueError):
    """The terms of a task do not fit its program or the limits of the protocol."""


class RecordsOutOfRange(InvalidTask):
    """No record, or more than RECORDS_MAX."""


class SegmentsOutOfRange(InvalidTask):
    """No segment, or more than SEGMENTS_MAX."""


class SegmentLengthOutOfRange(InvalidTask):
    """Segments of no step, or of more than SEGMENT_LENGTH_MAX."""


class DatasetTooLarge(InvalidTask):
    """A dataset field whose tree would be higher than PATH_MAX."""
