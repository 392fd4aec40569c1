"""A filtered space: the same points, and of what they decode to only what is admitted."""

import numpy as np

from molgen.chem.admission import Admission, AdmissionRules
from molgen.latent.filtered_space import FilteredSpace
from molgen.latent.space import LatentSpace


def test_a_filtered_space_decodes_as_its_space_does_but_for_what_is_removed() -> None:
    space = LatentSpace.load()
    z = space.sample_points(40, 0, prior="gaussian")
    filtered = FilteredSpace(space, Admission(AdmissionRules(), space.model.familiarity))
    everything = FilteredSpace(space, Admission(AdmissionRules(True, True, "keep"), None))
    for plain, kept, loose in (
        (space.decode(z), filtered.decode(z), everything.decode(z)),
        (space.decode_region(z), filtered.decode_region(z), everything.decode_region(z)),
    ):
        assert loose == plain
        assert kept == filtered.admission(plain)
    assert filtered.admission.removed
    assert np.array_equal(filtered.encode(["CCO"]), space.encode(["CCO"]))
