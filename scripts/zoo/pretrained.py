"""Models of `transformers`, unmodified, from small random configurations.

Dropout is off where losses are compared: PyTorch's random numbers are not the program's.
"""

from typing import Any

import torch
import transformers
from torch import Tensor, nn

from scripts.zoo.entry import Batch, Entry, make_images, make_tokens

VOCABULARY, LENGTH, ROWS, CLASSES, SIZE = 37, 8, 2, 5, 16

USUAL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}
IDS: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
GROUPED: dict[str, Any] = {**USUAL, **IDS, "num_key_value_heads": 1}


class Language(nn.Module):
    """A language model with its own loss: the labels are the tokens."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model(input_ids=tokens, labels=tokens).loss


class Image(nn.Module):
    """An image classifier with its own loss."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.model(pixel_values=x, labels=y[:, 0]).loss


class Speech(nn.Module):
    """Spectrograms to tokens."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.model(input_features=x, labels=y).loss


def without_dropout(config: Any) -> Any:
    """The configuration with every probability of dropout at 0."""
    for name in list(vars(config)):
        if ("drop" in name or name.endswith("pdrop")) and isinstance(getattr(config, name), float):
            setattr(config, name, 0.0)
    return config


def make_language_entry(name: str, model: str, config: str, **settings: Any) -> Entry:
    """A language model of `transformers`, without dropout."""

    def build() -> nn.Module:
        made = without_dropout(getattr(transformers, config)(**settings))
        return Language(getattr(transformers, model)(made))

    return Entry(name, "transformers", build, make_tokens(VOCABULARY, LENGTH, ROWS))


def make_image_entry(
    name: str, model: str, config: str, rows: int = ROWS, **settings: Any
) -> Entry:
    """An image classifier of `transformers`, without dropout."""

    def build() -> nn.Module:
        made = without_dropout(getattr(transformers, config)(**settings, num_labels=CLASSES))
        return Image(getattr(transformers, model)(made))

    return Entry(name, "transformers", build, make_images(CLASSES, SIZE, 3, rows))


def _build_whisper() -> nn.Module:
    config = transformers.WhisperConfig(
        vocab_size=VOCABULARY, d_model=16, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, num_mel_bins=8, max_source_positions=8, max_target_positions=16,
        decoder_start_token_id=1, suppress_tokens=None, begin_suppress_tokens=None, **IDS,
    )  # fmt: skip
    return Speech(transformers.WhisperForConditionalGeneration(without_dropout(config)))


def _make_speech(generator: torch.Generator) -> Batch:
    tokens = make_tokens(VOCABULARY, 6, ROWS)(generator)["tokens"]
    return {"x": torch.randn(ROWS, 8, 16, generator=generator), "y": tokens}


def _build_lora() -> nn.Module:
    import peft

    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**GROUPED))
    settings = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"])
    return Language(peft.get_peft_model(model, settings))


ENTRIES = (
    make_language_entry(
        "GPT-2",
        "GPT2LMHeadModel",
        "GPT2Config",
        vocab_size=VOCABULARY,
        n_positions=32,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=1,
        eos_token_id=2,
    ),  # fmt: skip
    make_language_entry("GPT-NeoX", "GPTNeoXForCausalLM", "GPTNeoXConfig", **USUAL, **IDS),
    make_language_entry("Llama", "LlamaForCausalLM", "LlamaConfig", **GROUPED),
    make_language_entry(
        "Mistral", "MistralForCausalLM", "MistralConfig", **GROUPED, sliding_window=4
    ),
    make_language_entry("Qwen3", "Qwen3ForCausalLM", "Qwen3Config", **GROUPED, head_dim=8),
    make_language_entry("Gemma", "GemmaForCausalLM", "GemmaConfig", **GROUPED, head_dim=8),
    make_language_entry("Phi", "PhiForCausalLM", "PhiConfig", **USUAL, **IDS),
    make_language_entry(
        "OPT",
        "OPTForCausalLM",
        "OPTConfig",
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        ffn_dim=32,
        max_position_embeddings=32,
        word_embed_proj_dim=16,
        **IDS,
    ),  # fmt: skip
    make_language_entry(
        "Mixtral",
        "MixtralForCausalLM",
        "MixtralConfig",
        **GROUPED,
        num_local_experts=4,
        num_experts_per_tok=2,
    ),  # fmt: skip
    make_language_entry(
        "Mixtral, batched experts",
        "MixtralForCausalLM",
        "MixtralConfig",
        **GROUPED,
        num_local_experts=4,
        num_experts_per_tok=2,
        experts_implementation="batched_mm",
    ),  # fmt: skip
    make_language_entry("BERT", "BertForMaskedLM", "BertConfig", **USUAL, pad_token_id=0),
    make_language_entry("RoBERTa", "RobertaForMaskedLM", "RobertaConfig", **USUAL, **IDS),
    make_language_entry(
        "DistilBERT",
        "DistilBertForMaskedLM",
        "DistilBertConfig",
        vocab_size=VOCABULARY,
        dim=16,
        n_layers=2,
        n_heads=2,
        hidden_dim=32,
        max_position_embeddings=32,
        pad_token_id=0,
    ),  # fmt: skip
    make_language_entry(
        "T5",
        "T5ForConditionalGeneration",
        "T5Config",
        vocab_size=VOCABULARY,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    ),  # fmt: skip
    make_image_entry(
        "ViT",
        "ViTForImageClassification",
        "ViTConfig",
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=SIZE,
        patch_size=8,
    ),  # fmt: skip
    make_image_entry(
        "ResNet",
        "ResNetForImageClassification",
        "ResNetConfig",
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        layer_type="basic",
    ),  # fmt: skip
    make_image_entry(
        "ConvNeXt",
        "ConvNextForImageClassification",
        "ConvNextConfig",
        hidden_sizes=[8, 16],
        depths=[1, 1],
        num_stages=2,
        patch_size=2,
        image_size=SIZE,
    ),  # fmt: skip
    Entry("Whisper", "transformers", _build_whisper, _make_speech),
    make_language_entry(
        "Mamba",
        "MambaForCausalLM",
        "MambaConfig",
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=2,
        state_size=4,
        **IDS,
    ),  # fmt: skip
    Entry("Llama, LoRA", "peft", _build_lora, make_tokens(VOCABULARY, LENGTH, ROWS)),
)
