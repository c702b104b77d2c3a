"""Serve a tiny model of random weights with llama.cpp's server; run by a Python that has xllamacpp and gguf.

`python llama_server.py FOLDER`: makes the model in the folder, prints `listening on URL` and serves until its
standard input ends. What the model says is noise; what the server does with HTTP is real.
"""

import sys
from pathlib import Path

import gguf
import numpy as np
import xllamacpp

NAME = "noise"
WIDTH, LAYERS, HEADS, HIDDEN, CONTEXT = 64, 2, 4, 128, 4_096
SLOTS = 4  # answers that it works on at once
SPECIAL = ["<unk>", "<s>", "</s>"]
TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"
)


def vocabulary(writer: gguf.GGUFWriter) -> int:
    """A token for each byte."""
    words = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    kinds = gguf.TokenType
    types = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.BYTE] * 256, kinds.NORMAL]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * len(words))
    writer.add_token_types([int(one) for one in types])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    return len(words)


def weights(words: int) -> dict[str, tuple[int, ...]]:
    """The tensors of a Llama, by name."""
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (words, WIDTH),
        "output_norm.weight": (WIDTH,),
        "output.weight": (words, WIDTH),
    }
    for layer in range(LAYERS):
        at = f"blk.{layer}."
        shapes |= {
            f"{at}{name}.weight": (WIDTH, WIDTH)
            for name in ("attn_q", "attn_k", "attn_v", "attn_output")
        }
        shapes |= {
            f"{at}attn_norm.weight": (WIDTH,),
            f"{at}ffn_norm.weight": (WIDTH,),
            f"{at}ffn_gate.weight": (HIDDEN, WIDTH),
            f"{at}ffn_up.weight": (HIDDEN, WIDTH),
            f"{at}ffn_down.weight": (WIDTH, HIDDEN),
        }
    return shapes


def write(path: Path) -> None:
    """A model file."""
    noise = np.random.default_rng(7)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(NAME)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    words = vocabulary(writer)
    writer.add_vocab_size(words)
    for name, shape in weights(words).items():
        writer.add_tensor(name, noise.normal(0.0, 0.5, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Serve until standard input ends."""
    path = Path(sys.argv[1]) / "noise.gguf"
    write(path)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.model_alias = {NAME}
    params.n_ctx, params.n_parallel = CONTEXT, SLOTS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.endpoint_metrics = True
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
