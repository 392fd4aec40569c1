"""The Gaussian process: against its textbook formula, and against its own promises."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from scipy.stats import multivariate_normal

from molgen.chem.count_fingerprints import CountFingerprints
from molgen.chem.molecule import parse
from molgen.search.evolution.surrogate import (
    NOISES,
    Features,
    FingerprintMemory,
    Prediction,
    Similarities,
    TanimotoProcess,
    similarities,
)

SMILES = ("CCO", "CCN", "CCCO", "c1ccccc1", "Cc1ccccc1", "CC(=O)O", "CC(=O)N", "OCCO", "CCCCCC", "c1ccncc1")
MOLS = [Chem.MolFromSmiles(text) for text in SMILES]


def features(*mols: Chem.Mol) -> Features:
    return (CountFingerprints.of(mols, "circular"), CountFingerprints.of(mols, "composition"))


KNOWN, OTHERS, ALL = features(*MOLS[:6]), features(*MOLS[6:]), features(*MOLS)
SCORES = np.random.default_rng(0).normal(size=(len(SMILES), 2)) + 3.0
NOISE = 1e-2


def fitted(width: float | None = None) -> TanimotoProcess:
    return TanimotoProcess(KNOWN, similarities(KNOWN, KNOWN), SCORES[:6], NOISE, width)


def test_the_kernel_is_the_mean_of_the_similarities_of_rdkit() -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=3)
    counts = [generator.GetSparseCountFingerprint(mol) for mol in MOLS]
    structure = np.array([[DataStructs.TanimotoSimilarity(a, b) for b in counts] for a in counts])
    np.testing.assert_allclose(similarities(ALL[:1], ALL[:1]), structure, atol=1e-7)
    np.testing.assert_allclose(similarities(ALL, ALL), (structure + ALL[1].similarities(ALL[1])) / 2, atol=1e-7)


def test_similarities_asked_for_in_parts_are_those_asked_for_at_once() -> None:
    cache, fingerprints = Similarities(), ALL[0]
    for rows in ([0, 1, 2], [2, 5, 0, 7], [9], [9, 8, 7, 6, 5, 4]):
        chosen = fingerprints.take(np.array(rows))
        np.testing.assert_array_equal(cache.of(np.array(rows), chosen), chosen.similarities(chosen))


def test_fingerprints_that_are_remembered_are_those_of_the_molecules() -> None:
    memory = FingerprintMemory()
    for _ in range(2):
        got = memory.of([parse("CCO"), "CCN", *SMILES[2:]], "circular")
        np.testing.assert_array_equal(got.similarities(ALL[0]), ALL[0].similarities(ALL[0]))


def test_predictions_are_those_of_the_textbook() -> None:
    said = fitted().predict(OTHERS)
    inverse = np.linalg.inv(similarities(KNOWN, KNOWN) + NOISE * np.eye(6))
    across = similarities(OTHERS, KNOWN)
    constant = (inverse.sum(axis=0) @ SCORES[:6]) / inverse.sum()
    residual = SCORES[:6] - constant
    variance = np.einsum("nm,nk,km->m", residual, inverse, residual) / 6
    np.testing.assert_allclose(said.mean, constant + across @ inverse @ residual, rtol=1e-8)
    covariance = similarities(OTHERS, OTHERS) - across @ inverse @ across.T
    np.testing.assert_allclose(said.std, np.sqrt(np.diag(covariance)[:, None] * variance), rtol=1e-6)
    np.testing.assert_allclose([said.covariance(i) for i in range(4)], covariance, atol=1e-9)


def test_a_wide_process_expects_nothing_and_is_sure_of_nothing_far_away() -> None:
    said = fitted(width=3.0).predict(features(Chem.MolFromSmiles("[Na+]")))
    np.testing.assert_allclose(said.mean, 0.0, atol=1e-12)
    np.testing.assert_allclose(said.std, 3.0)
    near, narrow = fitted(width=3.0).predict(OTHERS), fitted().predict(OTHERS)
    np.testing.assert_allclose(near.v, narrow.v)
    weights = np.linalg.solve(similarities(KNOWN, KNOWN) + NOISE * np.eye(6), SCORES[:6])
    np.testing.assert_allclose(near.mean, similarities(OTHERS, KNOWN) @ weights, rtol=1e-8)


def test_predictions_joined_are_those_asked_for_at_once() -> None:
    process = fitted()
    joined = Prediction.concatenate([process.predict(features(*MOLS[6:8])), process.predict(features(*MOLS[8:]))])
    whole = process.predict(OTHERS)
    for name in ("mean", "std", "v"):
        np.testing.assert_allclose(getattr(joined, name), getattr(whole, name), atol=1e-12)
    np.testing.assert_allclose(joined.covariance(1), whole.covariance(1), atol=1e-12)


def test_the_likelihood_is_that_of_the_normal_distribution_up_to_a_constant() -> None:
    def reference(noise: float) -> float:
        kernel = similarities(ALL, ALL) + noise * np.eye(len(MOLS))
        inverse = np.linalg.inv(kernel)
        total = 0.0
        for column in SCORES.T:
            residual = column - inverse.sum(axis=0) @ column / inverse.sum()
            variance = residual @ inverse @ residual / len(column)
            total += multivariate_normal.logpdf(residual, cov=variance * kernel)
        return total

    kernel = similarities(ALL, ALL)
    ours = [TanimotoProcess(ALL, kernel, SCORES, noise).log_likelihood for noise in NOISES]
    theirs = [reference(noise) for noise in NOISES]
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-6)
    process, noise = TanimotoProcess.with_fitted_noise(ALL, kernel, SCORES)
    assert noise == NOISES[int(np.argmax(theirs))]
    assert process.log_likelihood == max(ours)


def test_it_is_sure_of_what_it_saw_and_not_of_what_is_unlike() -> None:
    process = fitted()
    said = process.predict(KNOWN)
    np.testing.assert_allclose(said.mean, SCORES[:6], atol=0.15)
    elsewhere = process.predict(features(Chem.MolFromSmiles("FC(F)(F)S(=O)(=O)Br")))
    assert (said.std < 0.2 * elsewhere.std).all()


def test_scores_that_are_all_alike_are_no_trouble() -> None:
    process, _ = TanimotoProcess.with_fitted_noise(ALL, similarities(ALL, ALL), np.ones((len(MOLS), 1)))
    said = process.predict(ALL)
    assert said.mean == pytest.approx(1.0)
    assert (said.std < 1e-3).all()
