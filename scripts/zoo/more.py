"""Further models of `transformers`, of families that the first list does not have."""

from typing import Any

import torch
import transformers
from torch import Tensor, nn

from scripts.zoo.entry import Batch, Entry, make_tokens
from scripts.zoo.pretrained import (
    CLASSES,
    GROUPED,
    IDS,
    LENGTH,
    ROWS,
    SIZE,
    USUAL,
    VOCABULARY,
    make_image_entry,
    make_language_entry,
    without_dropout,
)

_OLD: dict[str, Any] = {  # as configurations of the first years name it
    "vocab_size": VOCABULARY,
    "n_positions": 32,
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_ENCODER_DECODER: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 32,
    "decoder_start_token_id": 1,
    **IDS,
}
_VISION: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": SIZE,
    "patch_size": 8,
}
_MOE: dict[str, Any] = {**GROUPED, "moe_intermediate_size": 16, "num_experts_per_tok": 2}


class Waves(nn.Module):
    """A classifier of sound."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.model(input_values=x, labels=y[:, 0]).loss


class Pairs(nn.Module):
    """Images and the texts that belong to them."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        return self.model(input_ids=tokens, pixel_values=x, return_loss=True).loss


class Series(nn.Module):
    """Numbers in the course of time, of which the last ones are foretold."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(past_values=x[:, :24], future_values=x[:, 24:]).loss


def _waves(name: str, model: str, config: str) -> Entry:
    settings: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_dim": (8, 8),
        "conv_stride": (4, 2),
        "conv_kernel": (8, 4),
        "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
        "apply_spec_augment": False,
        "layerdrop": 0.0,
        "num_labels": CLASSES,
        "classifier_proj_size": 8,
    }

    def build() -> nn.Module:
        made = without_dropout(getattr(transformers, config)(**settings))
        return Waves(getattr(transformers, model)(made))

    def make(generator: torch.Generator) -> Batch:
        labels = torch.randint(0, CLASSES, (ROWS, 1), generator=generator)
        return {"x": torch.randn(ROWS, 160, generator=generator), "y": labels}

    return Entry(name, "transformers", build, make)


def _pairs(name: str, model: str, config: str, **vision: Any) -> Entry:
    text = {**USUAL, **IDS}

    def build() -> nn.Module:
        made = getattr(transformers, config)(
            text_config=text, vision_config={**_VISION, **vision}, projection_dim=8
        )
        return Pairs(getattr(transformers, model)(without_dropout(made)))

    def make(generator: torch.Generator) -> Batch:
        tokens = make_tokens(VOCABULARY, LENGTH, ROWS)(generator)["tokens"]
        tokens[:, -1] = 2
        return {"x": torch.randn(ROWS, 3, SIZE, SIZE, generator=generator), "tokens": tokens}

    return Entry(name, "transformers", build, make)


def _build_patch_tst() -> nn.Module:
    config = transformers.PatchTSTConfig(
        num_input_channels=2, context_length=24, prediction_length=8, patch_length=4,
        patch_stride=4,
        d_model=16, num_attention_heads=2, ffn_dim=32, num_hidden_layers=2, loss="mse",
    )  # fmt: skip
    return Series(transformers.PatchTSTForPrediction(without_dropout(config)))


def _make_series(generator: torch.Generator) -> Batch:
    return {"x": torch.randn(ROWS, 32, 2, generator=generator).cumsum(1)}


ENTRIES = (
    make_language_entry("GPT-J", "GPTJForCausalLM", "GPTJConfig", **_OLD, rotary_dim=4),
    make_language_entry(
        "GPT-Neo",
        "GPTNeoForCausalLM",
        "GPTNeoConfig",
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_layers=2,
        num_heads=2,
        attention_types=[[["global", "local"], 1]],
        window_size=4,
        max_position_embeddings=32,
        intermediate_size=32,
        bos_token_id=1,
        eos_token_id=2,
    ),
    make_language_entry(
        "CodeGen", "CodeGenForCausalLM", "CodeGenConfig", **{**_OLD, "n_head": 4}, rotary_dim=4
    ),
    make_language_entry(
        "Bloom",
        "BloomForCausalLM",
        "BloomConfig",
        vocab_size=VOCABULARY,
        hidden_size=16,
        n_layer=2,
        n_head=2,
        **IDS,
    ),
    make_language_entry("Falcon", "FalconForCausalLM", "FalconConfig", **USUAL, **IDS),
    make_language_entry(
        "MPT",
        "MptForCausalLM",
        "MptConfig",
        vocab_size=VOCABULARY,
        d_model=16,
        n_layers=2,
        n_heads=2,
        max_seq_len=32,
    ),
    make_language_entry("StableLM", "StableLmForCausalLM", "StableLmConfig", **GROUPED),
    make_language_entry("Starcoder2", "Starcoder2ForCausalLM", "Starcoder2Config", **GROUPED),
    make_language_entry("OLMo2", "Olmo2ForCausalLM", "Olmo2Config", **GROUPED),
    make_language_entry("Qwen2", "Qwen2ForCausalLM", "Qwen2Config", **GROUPED),
    make_language_entry(
        "Qwen2-MoE",
        "Qwen2MoeForCausalLM",
        "Qwen2MoeConfig",
        **_MOE,
        num_experts=4,
        shared_expert_intermediate_size=16,
    ),
    make_language_entry(
        "Qwen3-MoE", "Qwen3MoeForCausalLM", "Qwen3MoeConfig", **_MOE, num_experts=4, head_dim=8
    ),
    make_language_entry(
        "Gemma2", "Gemma2ForCausalLM", "Gemma2Config", **GROUPED, head_dim=8, sliding_window=4
    ),
    make_language_entry(
        "Gemma3", "Gemma3ForCausalLM", "Gemma3TextConfig", **GROUPED, head_dim=8, sliding_window=4
    ),
    make_language_entry("Phi-3", "Phi3ForCausalLM", "Phi3Config", **GROUPED),
    make_language_entry("Cohere", "CohereForCausalLM", "CohereConfig", **GROUPED),
    make_language_entry("Granite", "GraniteForCausalLM", "GraniteConfig", **GROUPED),
    make_language_entry(
        "GPT-OSS",
        "GptOssForCausalLM",
        "GptOssConfig",
        **GROUPED,
        head_dim=8,
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=4,
    ),
    make_language_entry("SmolLM3", "SmolLM3ForCausalLM", "SmolLM3Config", **GROUPED),
    make_language_entry(
        "Llama 4",
        "Llama4ForCausalLM",
        "Llama4TextConfig",
        **GROUPED,
        head_dim=8,
        intermediate_size_mlp=32,
        num_local_experts=2,
        interleave_moe_layer_step=1,
        attention_chunk_size=4,
    ),
    make_language_entry(
        "DeepSeek-V3",
        "DeepseekV3ForCausalLM",
        "DeepseekV3Config",
        **{**_MOE, "num_key_value_heads": 2},
        n_routed_experts=4,
        n_group=2,
        topk_group=1,
        n_shared_experts=1,
        first_k_dense_replace=1,
        kv_lora_rank=8,
        q_lora_rank=8,
        qk_rope_head_dim=4,
        qk_nope_head_dim=4,
        v_head_dim=8,
    ),
    make_language_entry(
        "Mamba2",
        "Mamba2ForCausalLM",
        "Mamba2Config",
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=2,
        state_size=4,
        num_heads=4,
        head_dim=8,
        n_groups=1,
        chunk_size=4,
        **IDS,
    ),
    make_language_entry(
        "RWKV",
        "RwkvForCausalLM",
        "RwkvConfig",
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=2,
        context_length=16,
        **{k: v for k, v in IDS.items() if k != "pad_token_id"},
    ),
    make_language_entry(
        "ELECTRA", "ElectraForMaskedLM", "ElectraConfig", **USUAL, embedding_size=16, pad_token_id=0
    ),
    make_language_entry(
        "ALBERT", "AlbertForMaskedLM", "AlbertConfig", **USUAL, embedding_size=8, **IDS
    ),
    make_language_entry(
        "DeBERTa-v2",
        "DebertaV2ForMaskedLM",
        "DebertaV2Config",
        **USUAL,
        pad_token_id=0,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=4,
    ),
    make_language_entry(
        "ModernBERT",
        "ModernBertForMaskedLM",
        "ModernBertConfig",
        **USUAL,
        **IDS,
        local_attention=4,
        cls_token_id=1,
        sep_token_id=2,
    ),
    make_language_entry(
        "XLNet",
        "XLNetLMHeadModel",
        "XLNetConfig",
        vocab_size=VOCABULARY,
        d_model=16,
        n_layer=2,
        n_head=2,
        d_inner=32,
        **IDS,
    ),
    make_language_entry(
        "FNet",
        "FNetForMaskedLM",
        "FNetConfig",
        **{k: v for k, v in USUAL.items() if "heads" not in k},
        **IDS,
    ),
    make_language_entry(
        "BART",
        "BartForConditionalGeneration",
        "BartConfig",
        **_ENCODER_DECODER,
        forced_eos_token_id=2,
    ),
    make_language_entry(
        "Pegasus", "PegasusForConditionalGeneration", "PegasusConfig", **_ENCODER_DECODER
    ),
    make_language_entry("Marian", "MarianMTModel", "MarianConfig", **_ENCODER_DECODER),
    make_language_entry(
        "mT5",
        "MT5ForConditionalGeneration",
        "MT5Config",
        vocab_size=VOCABULARY,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    ),
    make_image_entry("DeiT", "DeiTForImageClassification", "DeiTConfig", **_VISION),
    make_image_entry("BEiT", "BeitForImageClassification", "BeitConfig", **_VISION),
    make_image_entry(
        "DINOv2",
        "Dinov2ForImageClassification",
        "Dinov2Config",
        **{k: v for k, v in _VISION.items() if k != "intermediate_size"},
    ),
    make_image_entry(
        "Swin",
        "SwinForImageClassification",
        "SwinConfig",
        image_size=SIZE,
        patch_size=2,
        embed_dim=8,
        depths=[1, 1],
        num_heads=[2, 2],
        window_size=4,
    ),
    make_image_entry(
        "ConvNeXt V2",
        "ConvNextV2ForImageClassification",
        "ConvNextV2Config",
        hidden_sizes=[8, 16],
        depths=[1, 1],
        num_stages=2,
        patch_size=2,
        image_size=SIZE,
    ),
    make_image_entry(
        "SegFormer",
        "SegformerForImageClassification",
        "SegformerConfig",
        num_encoder_blocks=2,
        depths=[1, 1],
        hidden_sizes=[8, 16],
        num_attention_heads=[1, 2],
        sr_ratios=[2, 1],
        patch_sizes=[3, 3],
        strides=[2, 2],
        mlp_ratios=[2, 2],
    ),
    make_image_entry(
        "MobileNetV2",
        "MobileNetV2ForImageClassification",
        "MobileNetV2Config",
        rows=16,  # batch normalisation of two rows is noise after 17 layers
        output_stride=8,
        image_size=SIZE,
        depth_multiplier=0.25,
        depth_divisible_by=4,
        min_depth=4,
    ),
    make_image_entry(
        "RegNet",
        "RegNetForImageClassification",
        "RegNetConfig",
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        groups_width=4,
    ),
    make_image_entry(
        "PoolFormer",
        "PoolFormerForImageClassification",
        "PoolFormerConfig",
        hidden_sizes=[8, 16],
        depths=[1, 1],
        num_encoder_blocks=2,
        patch_sizes=[3, 3],
        strides=[2, 2],
        padding=[1, 1],
    ),
    make_image_entry(
        "BiT",
        "BitForImageClassification",
        "BitConfig",
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        num_groups=2,
    ),
    _pairs("CLIP", "CLIPModel", "CLIPConfig"),
    _pairs("SigLIP", "SiglipModel", "SiglipConfig"),
    _waves("Wav2Vec2", "Wav2Vec2ForSequenceClassification", "Wav2Vec2Config"),
    _waves("HuBERT", "HubertForSequenceClassification", "HubertConfig"),
    Entry("PatchTST", "transformers", _build_patch_tst, _make_series),
)
