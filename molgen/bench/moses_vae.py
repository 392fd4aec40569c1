"""The VAE of MOSES, rebuilt from its description as a baseline of speed.

A SMILES VAE of characters: a GRU encoder of 256 units, a decoder of three GRU layers of 512, 128 latent dimensions,
batches of 512, Adam at 3e-4, gradients clipped at 50.
Source: Polykovskiy et al. 2020, MOSES (doi:10.3389/fphar.2020.565644), section 3.2, and the defaults of the package
`molsets` 0.3.1.

Notation: B molecules, L characters of the longest, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence

LATENT_SIZE, ENCODER_SIZE, DECODER_SIZE, DECODER_LAYERS = 128, 256, 512, 3
BATCH_SIZE, LEARNING_RATE, MAX_GRADIENT, KL_WEIGHT, MAX_LENGTH = 512, 3e-4, 50.0, 0.05, 100
PAD, BOS, EOS = 0, 1, 2


class Characters:
    """SMILES text <-> ids of its characters, between a begin token and an end token."""

    def __init__(self, smiles: Sequence[str]) -> None:
        """The characters that occur in `smiles`."""
        self.characters = sorted(set("".join(smiles)))
        self._ids = {character: i + EOS + 1 for i, character in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters) + EOS + 1

    def ids(self, smiles: str) -> Tensor:
        """Ids of a text, with those of its begin and end."""
        return torch.tensor([BOS, *(self._ids[character] for character in smiles), EOS])

    def text(self, ids: Sequence[int]) -> str:
        """The text of ids up to the first end token."""
        end = ids.index(EOS) if EOS in ids else len(ids)
        return "".join(self.characters[i - EOS - 1] for i in ids[:end] if i > EOS)


class MosesVae(nn.Module):
    """Encoder, decoder and their joint loss."""

    def __init__(self, n_characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_characters, n_characters, PAD)
        self.embedding.weight.data.copy_(torch.eye(n_characters))
        self.encoder = nn.GRU(n_characters, ENCODER_SIZE, batch_first=True)
        self.mean = nn.Linear(ENCODER_SIZE, LATENT_SIZE)
        self.log_variance = nn.Linear(ENCODER_SIZE, LATENT_SIZE)
        self.decoder = nn.GRU(n_characters + LATENT_SIZE, DECODER_SIZE, DECODER_LAYERS, batch_first=True)
        self.first_state = nn.Linear(LATENT_SIZE, DECODER_SIZE)
        self.logits = nn.Linear(DECODER_SIZE, n_characters)

    def forward(self, sequences: Sequence[Tensor]) -> Tensor:
        """Loss of B sequences, the longest first: mean nats per character, plus the weighted divergence."""
        _, h = self.encoder(pack_sequence([self.embedding(ids) for ids in sequences]))
        mean, log_variance = self.mean(h[-1]), self.log_variance(h[-1])
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        kl = 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(dim=1).mean()
        ids = pad_sequence(list(sequences), batch_first=True, padding_value=PAD)
        x = torch.cat([self.embedding(ids), z[:, None].expand(-1, ids.shape[1], -1)], dim=2)
        packed = pack_padded_sequence(x, torch.tensor([len(s) for s in sequences]), batch_first=True)
        states, _ = pad_packed_sequence(self.decoder(packed, self._first(z))[0], batch_first=True)
        logits = self.logits(states)
        nll = functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=PAD)
        loss: Tensor = nll + KL_WEIGHT * kl
        return loss

    @torch.no_grad()
    def sample(self, n: int) -> list[list[int]]:
        """Ids of `n` texts drawn from the standard normal prior: `MAX_LENGTH` - 1 of each, also after its end."""
        z = torch.randn(n, LATENT_SIZE)
        h, ids = self._first(z), torch.full((n,), BOS)
        drawn = []
        for _ in range(MAX_LENGTH - 1):
            x = torch.cat([self.embedding(ids)[:, None], z[:, None]], dim=2)
            states, h = self.decoder(x, h)
            ids = torch.multinomial(torch.softmax(self.logits(states[:, 0]), dim=1), 1)[:, 0]
            drawn.append(ids)
        return torch.stack(drawn, dim=1).tolist()

    def _first(self, z: Tensor) -> Tensor:
        state: Tensor = self.first_state(z)
        return state.expand(DECODER_LAYERS, *state.shape).contiguous()
