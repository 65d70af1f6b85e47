"""A user's own model, data and weights: compiled, trained here, and back in the module."""

import json
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file, save_file, save_model

from offchain.builders import call_builder, load_builder
from offchain.cli import main

MLP = """
import torch
from torch import nn


def build(width=8):
    model = nn.Sequential(
        nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 3)
    )
    return model, nn.CrossEntropyLoss()
"""
TIED = """
import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 4)
        self.head = nn.Linear(4, vocabulary, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("scale", torch.tensor(0.5))
        self.register_buffer("turn", torch.arange(4.0), persistent=False)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mask", torch.tensor([True, False, True, True]))
        self.optimizer = nn.Linear(4, 4)  # named like something else

    def forward(self, tokens):
        self.seen += 1
        x = self.embedding(tokens[:, :-1]) * self.scale + self.turn
        x = x + torch.where(self.mask, torch.tanh(self.optimizer(x)), 0.0)
        return F.cross_entropy(self.head(x).flatten(0, 1), tokens[:, 1:].flatten())


def build(vocabulary):
    return Model(vocabulary)
"""
LORA = """
import peft
import torch
from torch import nn
from torch.nn import functional as F


def build():
    base = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    config = peft.LoraConfig(r=2, target_modules=["0", "2"])
    return peft.get_peft_model(base, config).base_model.model, nn.CrossEntropyLoss()
"""


class Folder:
    """A user's folder, and `crux` in it."""

    def __init__(self, path: Path):
        self.path = path

    def write(self, source: str) -> str:
        (self.path / "mine.py").write_text(source)
        return f"{self.path / 'mine.py'}:build"

    def save_points(self, **changes: np.ndarray) -> Path:
        random = np.random.default_rng(0)
        x = random.normal(size=(64, 4)).astype(np.float32)
        y = (x @ random.normal(size=(4, 3))).argmax(1)
        path = self.path / "points.npz"
        np.savez(path, **{"x": x, "y": y, **changes})
        return path

    def compile(self, source: str, data: Path, *extra: str) -> Result:
        return self.run("compile", self.write(source), "--data", str(data), "--rows", "4", *extra)

    def run(self, verb: str, *arguments: str) -> Result:
        options = ["--store", str(self.path / "store")]
        if verb == "compile":
            options += ["--out", str(self.path / "task.crux")]
        return CliRunner(mix_stderr=False).invoke(main, [verb, *arguments, *options])

    def train(self, *extra: str) -> Path:
        out = self.path / "weights.safetensors"
        spec = str(self.path / "task.crux")
        folder = "--folder", mkdtemp(dir=self.path)
        result = self.run("train", spec, "--steps", "3", "--out", str(out), *folder, *extra)
        assert result.exit_code == 0, result.output + result.stderr
        return out

    def is_clean(self) -> bool:
        """Whether nothing was written."""
        return not any((self.path / name).exists() for name in ("store", "task.crux"))


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path)


SGD = ("--optim", "sgd(lr=0.1, momentum=0.9)")


def check_good(result: Result) -> None:
    assert result.exit_code == 0, result.output + result.stderr


def check_refused(folder: Folder, result: Result, *said: str) -> None:
    assert result.exit_code == 1, result.output
    for words in said:
        assert words in result.stderr, result.stderr
    assert "Traceback" not in result.stderr and folder.is_clean()


def test_compile__module_and_loss__trains_and_loads_strictly(folder):
    check_good(folder.compile(MLP, folder.save_points(), *SGD))
    weights = folder.train()
    built = call_builder(load_builder(folder.write(MLP)), {})
    built.module.load_state_dict(load_file(weights), strict=True)
    assert built.module[1].num_batches_tracked == 3
    assert load_file(weights)["1.num_batches_tracked"].dtype is torch.int64
    assert not torch.equal(built.module[1].running_mean, torch.zeros(8))


def test_compile__every_option_of_the_loop__passes_the_self_check(folder):
    data = folder.save_points()
    result = folder.compile(
        MLP,
        data,
        *("--optim", "adamw(lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1)"),
        *("--group", "*.bias(weight_decay=0)", "--schedule", "cosine(steps=9, warmup=3)"),
        *("--clip-norm", "0.5", "--clip-value", "0.1", "--accumulate", "2", "--set", "width=5"),
    )
    check_good(result)
    assert "fields: x -> forward(input), y -> loss()" in result.stdout
    folder.train()


def test_train__curve__is_written_as_table_and_picture(folder):
    check_good(folder.compile(MLP, folder.save_points(), *SGD))
    csv, svg = folder.path / "c.csv", folder.path / "c.svg"
    folder.train("--csv", str(csv), "--svg", str(svg))
    header, *lines = csv.read_text().splitlines()
    assert header == "step,seconds,loss,records_per_second"
    assert [line.split(",")[0] for line in lines] == ["1", "2", "3"]
    assert svg.read_text().startswith("<svg")


def test_compile__tied_weights_and_buffers__load_strictly(folder):
    data = folder.path / "data.txt"
    data.write_text("the quick brown fox " * 20)
    check_good(folder.compile(TIED, data, *SGD, "--seq", "4"))
    weights = folder.train()
    known = json.loads((folder.path / "task.crux").read_text())["notes"]
    module = call_builder(load_builder(folder.write(TIED)), {}, known).module
    module.load_state_dict(load_file(weights), strict=True)
    assert module.head.weight is module.embedding.weight
    tensors = load_file(weights)
    assert torch.equal(tensors["head.weight"], tensors["embedding.weight"])
    assert tensors["seen"] == 3 and tensors["seen"].dtype is torch.int64
    assert tensors["mask"].tolist() == [True, False, True, True]
    assert "optimizer.weight" in tensors and "turn" not in tensors


def test_compile__lora__loads_strictly_and_leaves_the_base_alone(folder):
    pytest.importorskip("peft")
    check_good(folder.compile(LORA, folder.save_points(), *SGD))
    module = call_builder(load_builder(folder.write(LORA)), {}).module
    module.load_state_dict(load_file(folder.train()), strict=True)
    assert module[0].lora_B["default"].weight.abs().max() > 0


def get_genesis(folder: Folder) -> str:
    return json.loads((folder.path / "task.crux").read_text())["genesis_root"]


def test_compile__seed__decides_the_initial_weights(folder):
    data, roots = folder.save_points(), []
    for seed in ("5", "5", "6"):
        check_good(folder.compile(MLP, data, *SGD, "--seed", seed))
        roots.append(get_genesis(folder))
    assert roots[0] == roots[1] != roots[2]


def test_compile__from_its_own_result__goes_on(folder):
    data = folder.save_points()
    check_good(folder.compile(MLP, data, *SGD))
    weights = folder.train()
    check_good(folder.compile(MLP, data, *SGD, "--from", str(weights), "--seed", "9"))
    first = get_genesis(folder)
    # Nothing random is left: everything comes from the checkpoint.
    check_good(folder.compile(MLP, data, *SGD, "--from", str(weights), "--seed", "9"))
    assert get_genesis(folder) == first


def test_compile__from_another_module__lists_every_difference(folder):
    save_file(
        {"0.weight": torch.zeros(2, 2), "9.bias": torch.zeros(1)}, folder.path / "c.safetensors"
    )
    result = folder.compile(
        MLP, folder.save_points(), *SGD, "--from", str(folder.path / "c.safetensors")
    )
    check_refused(
        folder,
        result,
        "  0.bias: missing, [8] float32\n",
        "  9.bias: not the module's, [1] F32\n",
        "  0.weight: [2, 2] float32, the module has [8, 4] float32\n",
    )


def test_compile__from_save_model_of_tied_weights__is_taken(folder):
    data = folder.path / "data.txt"
    data.write_text("the quick brown fox " * 20)
    check_good(folder.compile(TIED, data, *SGD, "--seq", "4"))
    known = json.loads((folder.path / "task.crux").read_text())["notes"]
    module = call_builder(load_builder(folder.write(TIED)), {}, known).module
    save_model(module, str(folder.path / "c.safetensors"))
    result = folder.compile(
        TIED, data, *SGD, "--seq", "4", "--from", str(folder.path / "c.safetensors")
    )
    check_good(result)
    folder.train()


def test_compile__held_out_and_policy__are_in_the_task(folder):
    result = folder.compile(
        MLP, folder.save_points(), *SGD, "--held-out", "0.25", "--policy", "tf32"
    )
    check_good(result)
    assert "48 records" in result.stdout
    assert json.loads((folder.path / "task.crux").read_text())["notes"]["policy"] == "tf32"


LINEAR, LOSS = "nn.Linear(4, width)", "nn.CrossEntropyLoss()"


def alter(before: str, after: str) -> str:
    assert before in MLP
    return MLP.replace(before, after)


@pytest.mark.parametrize(
    ("source", "extra", "said"),
    [
        (MLP, (), "no optimizer: return one, or give --optim"),
        (MLP, ("--optim", "adam(lr=open('x'))"), "expected name(key=value, ...)"),
        (MLP, (*SGD, "--schedule", "warp(steps=3)"), "schedule 'warp': not one of cosine"),
        (MLP, (*SGD, "--accumulate", "3"), "4 rows in 3 parts"),
        (MLP, (*SGD, "--group", "zzz(lr=1)"), "group 'zzz'"),
        (MLP, (*SGD, "--set", "depth=2"), "does not take 'depth'"),
        (MLP, (*SGD, "--tokenizer", "bytes"), "a tokenizer is for text, not for npz"),
        (alter(LINEAR, f"{LINEAR}.double()"), SGD, "0.weight: torch.float64: a program holds"),
        (alter(LINEAR, f"{LINEAR}.half()"), SGD, "0.weight: torch.float16"),
        (alter("width)", "width, dtype=torch.complex64)"), SGD, "0.weight: torch.complex64"),
        (alter(LINEAR, "nn.Linear(5, width)"), SGD, "the module fails on the data: Runtime"),
        (alter("width, 3)", "width, 2)"), SGD, "the module fails on the data: Index"),
        (alter("nn.ReLU()", "nn.Threshold(0, float('nan'))"), SGD, "the loss is not finite, in Py"),
        (alter("nn.Cross", "nn.Crass"), SGD, "AttributeError"),
        (alter(LOSS, "torch.optim.SGD(model.parameters(), lr=1)"), (), "forward of Sequential"),
        (alter("Loss()", "Loss(reduction='none')"), SGD, "loss: torch.float32 of shape (4,)"),
        (alter("model, nn.", "model.requires_grad_(False), nn."), SGD, "requires a gradient"),
    ],
)
def test_compile__mistake__is_one_line_and_nothing_is_written(folder, source, extra, said):
    result = folder.compile(source, folder.save_points(), *extra)
    check_refused(folder, result, said)
    assert result.stderr.count("\n") == 1, result.stderr


FORWARD = """
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        x = self.layer(x)
        {line}
        return x


def build():
    model = nn.Sequential()
    model.body = nn.Sequential(Model())
    return model, nn.CrossEntropyLoss()
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("x = x + x[x[:, 0] > 0].sum()", "no fixed shape"),
        ("x = x.sum() + x if x.sum() > 0 else x", "control flow cannot depend on values"),
        ("x = x * x.max().item()", "keep it a tensor"),
        ("x = x.double().exp().float()", "torch.float64"),
        ("x = x.lgamma()", "the instruction set cannot express it"),
    ],
)
def test_compile__what_no_program_does__names_operator_place_and_a_way(folder, line, said):
    result = folder.compile(FORWARD.replace("{line}", line), folder.save_points(), *SGD)
    check_refused(folder, result, "aten.", "mine.py:12 body.0: ", line, said)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x": np.zeros((64, 4))}, "points.npz: field 'x': float64"),
        ({"y": np.zeros(3, np.int64)}, "x 64, y 3 records"),
        ({"y": np.array([{}] * 64)}, "no pickle is ever loaded"),
    ],
)
def test_compile__data_that_no_program_reads__is_named(folder, changes, said):
    check_refused(folder, folder.compile(MLP, folder.save_points(**changes), *SGD), said)


def test_compile__more_fields_than_are_taken__says_which_are_left_out(folder):
    data = folder.save_points(id=np.arange(64))
    source = MLP.replace("nn.CrossEntropyLoss()", "compare").replace(
        "def build",
        "def compare(output, y):\n    return nn.functional.cross_entropy(output, y)\n\n\ndef build",
    )
    # One argument and no name that fits: the first field goes to the module.
    result = folder.compile(source, data, *SGD)
    check_good(result)
    assert "left out: id" in result.stdout


def test_train__no_task__names_the_file(folder):
    result = folder.run("train", str(folder.path / "nope"), "--steps", "1")
    assert result.exit_code == 1 and "no such file; `crux compile` writes it" in result.stderr


def test_train__without_a_layout__slots_own_names(folder):
    check_good(folder.compile(MLP, folder.save_points(), *SGD))
    for note in (folder.path / "store" / "notes").iterdir():
        note.write_text("complex64 0 a")
    assert set(load_numpy(folder.train())) >= {"0.weight", "1.running_mean"}


def test_compile__tokenizer__is_kept_beside_the_task(folder):
    package = pytest.importorskip("tokenizers")
    words = {"[UNK]": 0, "the": 1, "fox": 2}
    made = package.Tokenizer(package.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = package.pre_tokenizers.Whitespace()
    made.save(str(folder.path / "words.json"))
    data = folder.path / "data.txt"
    data.write_text("the quick brown fox\n" * 20)
    extra = ("--seq", "4", "--tokenizer", str(folder.path / "words.json"))
    check_good(folder.compile(TIED, data, *SGD, *extra))
    kept = folder.path / "task.tokenizer.json"
    assert kept.read_bytes() == (folder.path / "words.json").read_bytes()
    assert json.loads((folder.path / "task.crux").read_text())["notes"]["vocabulary"] == 3


def test_compile__saved_dataset_and_image_folder__train(folder):
    arrow, image = pytest.importorskip("pyarrow"), pytest.importorskip("PIL.Image")
    saved = folder.path / "saved"
    saved.mkdir()
    x = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    table = arrow.table({"x": arrow.array(x.tolist(), arrow.list_(arrow.float32())), "y": [0] * 12})
    with arrow.OSFile(str(saved / "data.arrow"), "wb") as file:
        with arrow.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    (saved / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
    check_good(folder.compile(MLP, saved, *SGD))
    folder.train()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 3, 3, 3), np.uint8)
    for name, pictures in zip(("cat", "dog"), pixels):
        (folder.path / "images" / name).mkdir(parents=True)
        for number, picture in enumerate(pictures):
            image.fromarray(picture).save(folder.path / "images" / name / f"{number}.png")
    source = MLP.replace("nn.Linear(4, width)", "nn.Flatten(), nn.Linear(27, width)")
    check_good(folder.compile(source, folder.path / "images", *SGD))
    folder.train()
