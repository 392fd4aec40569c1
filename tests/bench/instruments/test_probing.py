"""Scores and picture of what the encoder knows."""

from pathlib import Path

from molgen.bench.instruments.probing import draw_layers, score_probing, score_units, select_encodable
from molgen.chem.sampling import draw_shipped_molecules
from molgen.latent.space import LatentSpace


def test_scores_and_their_picture(tmp_path: Path) -> None:
    space = LatentSpace.load()
    smiles = [molecule.smiles for molecule in draw_shipped_molecules(60)]
    score = score_probing(space, ["C[Si](C)(C)C#C[Si]", *smiles], 0)
    assert score.n == 60
    for name in ("a.svg", "b.svg"):
        draw_layers(score.layers, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "posterior" in (tmp_path / "a.svg").read_text()
    units = score_units(space, smiles, 0)
    assert units.n == 60
    assert 0.0 <= units.rotated.disentanglement <= 1.0


def test_what_cannot_be_encoded_is_left_out() -> None:
    found = select_encodable(LatentSpace.load(), ["CCO", "not a molecule", "CCN", "CCC"], limit=2)
    assert [molecule.smiles for molecule in found] == ["CCO", "CCN"]
