"""A small GPT and its optimiser, in plain PyTorch."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Shape suffixes: B batch, T position, C channel, H head, D channel of one head, V vocabulary.


@dataclass(frozen=True)
class Config:
    """Sizes of the model."""

    vocabulary: int
    context: int = 64
    layers: int = 3
    heads: int = 4
    channels: int = 96


class Attention(nn.Module):
    """Causal self-attention with several heads."""

    def __init__(self, config: Config):
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.channels, 3 * config.channels)
        self.projection = nn.Linear(config.channels, config.channels)

    def forward(self, x_BTC: Tensor) -> Tensor:
        B, T, C = x_BTC.shape
        q_BTC, k_BTC, v_BTC = self.qkv(x_BTC).split(C, dim=-1)
        q_BHTD, k_BHTD, v_BHTD = (
            part.view(B, T, self.heads, C // self.heads).transpose(1, 2)
            for part in (q_BTC, k_BTC, v_BTC)
        )
        y_BHTD = F.scaled_dot_product_attention(q_BHTD, k_BHTD, v_BHTD, is_causal=True)
        return self.projection(y_BHTD.transpose(1, 2).reshape(B, T, C))


class MLP(nn.Module):
    """The position-wise network."""

    def __init__(self, config: Config):
        super().__init__()
        self.fc = nn.Linear(config.channels, 4 * config.channels)
        self.projection = nn.Linear(4 * config.channels, config.channels)

    def forward(self, x_BTC: Tensor) -> Tensor:
        return self.projection(F.gelu(self.fc(x_BTC)))


class Block(nn.Module):
    """One layer: attention, then the network, each around a residual."""

    def __init__(self, config: Config):
        super().__init__()
        self.norm_1 = nn.LayerNorm(config.channels)
        self.attention = Attention(config)
        self.norm_2 = nn.LayerNorm(config.channels)
        self.mlp = MLP(config)

    def forward(self, x_BTC: Tensor) -> Tensor:
        x_BTC = x_BTC + self.attention(self.norm_1(x_BTC))
        return x_BTC + self.mlp(self.norm_2(x_BTC))


class GPT(nn.Module):
    """Token and position embeddings, blocks, a head that predicts the next token."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocabulary, config.channels)
        self.position_embedding = nn.Embedding(config.context, config.channels)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.channels)
        self.head = nn.Linear(config.channels, config.vocabulary, bias=False)
        self.apply(self._initialize)

    def _initialize(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def logits(self, tokens_BT: Tensor) -> Tensor:
        """Scores of every possible next token: [B, T] -> [B, T, V]."""
        positions_T = torch.arange(tokens_BT.shape[1], device=tokens_BT.device)
        x_BTC = self.token_embedding(tokens_BT) + self.position_embedding(positions_T)
        for block in self.blocks:
            x_BTC = block(x_BTC)
        return self.head(self.norm(x_BTC))

    def forward(self, tokens: Tensor) -> Tensor:
        """Mean cross-entropy (nats per token) of tokens 1..T given those before: [B, T+1] int64."""
        logits_BTV = self.logits(tokens[:, :-1])
        return F.cross_entropy(logits_BTV.flatten(0, 1), tokens[:, 1:].flatten())

    @torch.no_grad()
    def generate(self, tokens_BT: Tensor, count: int, temperature: float = 1.0) -> Tensor:
        """Sample `count` further tokens: [B, T] -> [B, T + count]."""
        for _ in range(count):
            logits_BTV = self.logits(tokens_BT[:, -self.config.context :])
            probabilities_BV = F.softmax(logits_BTV[:, -1] / temperature, dim=-1)
            tokens_BT = torch.cat((tokens_BT, torch.multinomial(probabilities_BV, 1)), dim=1)
        return tokens_BT


def build(config: Config, seed: int = 0) -> tuple[GPT, torch.optim.AdamW]:
    """The initialised model and its optimiser; only matrices decay."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GPT(config)
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        lr=1e-3,
        betas=(0.9, 0.99),
    )
    return model, optimizer
