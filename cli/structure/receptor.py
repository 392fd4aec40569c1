"""The command `molgen receptor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import show
from ..console.options import Json
from ..console.outputs import check_outputs


@check_outputs
def receptor(
    protein: Annotated[Path, typer.Argument(help="A PDB file of the protein without its ligand.")],
    ligand: Annotated[Path, typer.Option("--ligand", help="An SDF with the native ligand in its pose.")],
    out: Annotated[Path, typer.Option("--out", "-o", writable=True, file_okay=False, help="Folder for the receptor.")],
    is_json: Json = False,
) -> None:
    """Prepare a receptor for docking, and check it by docking its native ligand again.

    Needs the extra molgen-workbench[docking]. In campaigns, the measure `dock:FOLDER` is then the score of AutoDock
    Vina in kcal/mol. A receptor whose native ligand scores 0 or more is refused.

    Example: molgen receptor protein.pdb --ligand native.sdf -o dhfr
    """
    from dataclasses import asdict

    from molgen.score.docking import MAX_RMSD_A, prepare_receptor

    card = prepare_receptor(protein, ligand, out)
    if is_json:
        show.as_json({"receptor": str(out), **asdict(card)})
    else:
        box = " x ".join(f"{length:.1f}" for length in card.size)
        show.data(f"{out}: native ligand {card.native_score:.2f} kcal/mol, {card.native_rmsd:.2f} A from its pose")
        show.note(f"box {box} A; residues protonated {card.protonation}, ligands as their SMILES say")
    if card.native_rmsd > MAX_RMSD_A:
        show.note(f"warning: docking does not find the native pose: {card.native_rmsd:.2f} A is above {MAX_RMSD_A:g} A")
    show.note(f'next: molgen campaign --minimize "dock:{out}" --budget 200 --out runs/docked')
