"""Models written in plain torch."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scripts.zoo.entry import Entry, make_images, make_tokens

CLASSES, SIZE, ROWS = 5, 8, 4
VOCABULARY, LENGTH = 17, 6


class Classifier(nn.Module):
    """A network from images to classes, and its loss."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.body(x), y[:, 0])


def build_mlp() -> nn.Module:
    """Two hidden layers."""
    return Classifier(
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(SIZE**2, 32),
            nn.GELU(),
            nn.Linear(32, 32),
            nn.SiLU(),
            nn.LayerNorm(32),
            nn.Linear(32, CLASSES),
        )
    )


def build_cnn() -> nn.Module:
    """Convolutions, batch normalisation, both kinds of pooling."""
    return Classifier(
        nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1, groups=2),
            nn.GroupNorm(2, 8),
            nn.Hardswish(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, CLASSES),
        )
    )


class Block(nn.Module):
    """The basic block of a residual network."""

    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(after) for _ in range(3))
        self.short = nn.Conv2d(before, after, 1, stride, bias=False) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.norms[1](self.second(F.relu(self.norms[0](self.first(x)))))
        short = x if self.short is None else self.norms[2](self.short(x))
        return F.relu(y + short)


def build_resnet() -> nn.Module:
    """Two stages of basic blocks."""
    return Classifier(
        nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            Block(8, 8, 1),
            Block(8, 16, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, CLASSES),
        )
    )


class UNet(nn.Module):
    """Down, up by transposed convolution and by interpolation, with a bridge; denoises images."""

    def __init__(self) -> None:
        super().__init__()
        self.down_1, self.down_2 = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 8, 3, 2, 1)
        self.up_1 = nn.ConvTranspose2d(8, 6, 2, 2)
        self.mix, self.out = nn.Conv2d(12, 6, 3, padding=1), nn.Conv2d(6, 1, 1)
        self.norm = nn.InstanceNorm2d(6, affine=True)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        wide = F.silu(self.down_1(x))
        deep = F.silu(self.down_2(wide))
        coarse = F.interpolate(deep, scale_factor=2, mode="bilinear")[:, :6]
        up = F.leaky_relu(self.up_1(deep)) + coarse
        mixed = self.norm(self.mix(torch.cat([wide, up], 1)))
        return F.mse_loss(self.out(F.mish(mixed)), x)


class VAE(nn.Module):
    """A variational autoencoder: normal noise in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.moments = nn.Linear(SIZE**2, 16), nn.Linear(16, 8)
        self.decode = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, SIZE**2))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        flat = x.flatten(1)
        mean, log_variance = self.moments(torch.tanh(self.encode(flat))).chunk(2, 1)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
        target = (flat > 0).float()
        return F.binary_cross_entropy_with_logits(self.decode(z), target) + 0.01 * divergence


class Recurrent(nn.Module):
    """A recurrent language model."""

    def __init__(self, kind: type[nn.Module]):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 8)
        self.core = kind(8, 12, num_layers=2, batch_first=True, bidirectional=False)
        self.head = nn.Linear(12, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        y, _ = self.core(self.embedding(tokens[:, :-1]))
        return F.cross_entropy(self.head(y).flatten(0, 1), tokens[:, 1:].flatten())


class Encoder(nn.Module):
    """nn.TransformerEncoder as a causal language model."""

    def __init__(self, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout, batch_first=True)
        self.core = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1] - 1)
        y = self.core(self.embedding(tokens[:, :-1]), mask=mask, is_causal=True)
        return F.cross_entropy(self.head(y).flatten(0, 1), tokens[:, 1:].flatten())


def build_seq2seq() -> nn.Module:
    """nn.Transformer: encoder and decoder with cross-attention."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, 8)
            self.core = nn.Transformer(8, 2, 1, 1, 16, 0.0, batch_first=True)
            self.head = nn.Linear(8, VOCABULARY)

        def forward(self, tokens: Tensor) -> Tensor:
            x = self.embedding(tokens)
            mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1] - 1)
            y = self.core(x, x[:, :-1], tgt_mask=mask, tgt_is_causal=True)
            return F.cross_entropy(self.head(y).flatten(0, 1), tokens[:, 1:].flatten())

    return Model()


_IMAGES = make_images(CLASSES, SIZE, 1, ROWS)
_TOKENS = make_tokens(VOCABULARY, LENGTH, ROWS)

ENTRIES = (
    Entry("MLP", "torch", build_mlp, _IMAGES),
    Entry("CNN", "torch", build_cnn, _IMAGES),
    Entry("ResNet", "torch", build_resnet, _IMAGES),
    Entry("U-Net", "torch", UNet, _IMAGES),
    Entry("VAE", "torch", VAE, _IMAGES, is_random=True),
    Entry("LSTM", "torch", lambda: Recurrent(nn.LSTM), _TOKENS),
    Entry("GRU", "torch", lambda: Recurrent(nn.GRU), _TOKENS),
    Entry("TransformerEncoder", "torch", lambda: Encoder(0.0), _TOKENS),
    Entry("TransformerEncoder, dropout", "torch", lambda: Encoder(0.1), _TOKENS, is_random=True),
    Entry("Transformer", "torch", build_seq2seq, _TOKENS),
)
