"""What is asked of proposals: more than of a campaign's."""

import csv

from molgen.chem.molecule import parse
from molgen.latent.space import LatentSpace
from molgen.paths import find_shipped
from molgen.project.candidate_pool import read_constraints


def test_a_proposal_has_no_unknown_environment_unless_a_known_compound_has_it() -> None:
    space = LatentSpace.load()
    reference = space.model.familiarity
    assert reference is not None
    with (find_shipped("data") / "d3_ki.csv").open() as handle:
        molecules = [parse(row["smiles"]) for row in list(csv.DictReader(handle))[:200]]
    one = next(
        m for m in molecules if reference.unfamiliar(m.mol).n_radius_2 == 1 and not reference.unfamiliar(m.mol).count
    )
    for known, n in (([], 1.0), ([one], 0.0)):
        request = read_constraints(space, ["unfamiliar == 0"], known)
        assert request.values([one])[0, list(request.measures).index("unfamiliar")] == n
