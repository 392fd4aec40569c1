"""The Gaussian process: against its textbook formula, and against its own promises."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from scipy.stats import multivariate_normal

from molgen.search.evolution.surrogate import (
    NOISES,
    Prediction,
    Similarities,
    TanimotoProcess,
    count_fingerprints,
    similarities,
)

SMILES = ("CCO", "CCN", "CCCO", "c1ccccc1", "Cc1ccccc1", "CC(=O)O", "CC(=O)N", "OCCO", "CCCCCC", "c1ccncc1")
BITS = count_fingerprints([Chem.MolFromSmiles(text) for text in SMILES])
SCORES = np.random.default_rng(0).normal(size=(len(SMILES), 2)) + 3.0
NOISE = 1e-2


def fitted(n: int) -> TanimotoProcess:
    return TanimotoProcess(BITS[:n], similarities(BITS[:n], BITS[:n]), SCORES[:n], NOISE)


def test_similarities_are_those_of_rdkit() -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048, countSimulation=True)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(text)) for text in SMILES]
    expected = [DataStructs.BulkTanimotoSimilarity(one, prints) for one in prints]
    np.testing.assert_allclose(similarities(BITS, BITS), expected, atol=1e-7)


def test_similarities_asked_for_in_parts_are_those_asked_for_at_once() -> None:
    cache = Similarities()
    for rows in ([0, 1, 2], [2, 5, 0, 7], [9], [9, 8, 7, 6, 5, 4]):
        chosen = np.array(rows)
        np.testing.assert_array_equal(cache.of(chosen, BITS[chosen]), similarities(BITS[chosen], BITS[chosen]))


def test_predictions_are_those_of_the_textbook() -> None:
    said = fitted(6).predict(BITS[6:])
    kernel = similarities(BITS[:6], BITS[:6]) + NOISE * np.eye(6)
    inverse = np.linalg.inv(kernel)
    across = similarities(BITS[6:], BITS[:6])
    constant = (inverse.sum(axis=0) @ SCORES[:6]) / inverse.sum()
    residual = SCORES[:6] - constant
    variance = np.einsum("nm,nk,km->m", residual, inverse, residual) / 6
    np.testing.assert_allclose(said.mean, constant + across @ inverse @ residual, rtol=1e-8)
    covariance = similarities(BITS[6:], BITS[6:]) - across @ inverse @ across.T
    np.testing.assert_allclose(said.std, np.sqrt(np.diag(covariance)[:, None] * variance), rtol=1e-6)
    np.testing.assert_allclose([said.covariance(i) for i in range(4)], covariance, atol=1e-9)


def test_predictions_joined_are_those_asked_for_at_once() -> None:
    process = fitted(6)
    concatenate = Prediction.concatenate([process.predict(BITS[6:8]), process.predict(BITS[8:])])
    whole = process.predict(BITS[6:])
    for name in ("mean", "std", "bits", "v"):
        np.testing.assert_allclose(getattr(concatenate, name), getattr(whole, name), atol=1e-12)


def test_the_likelihood_is_that_of_the_normal_distribution_up_to_a_constant() -> None:
    def reference(noise: float) -> float:
        kernel = similarities(BITS, BITS) + noise * np.eye(len(BITS))
        inverse = np.linalg.inv(kernel)
        total = 0.0
        for column in SCORES.T:
            residual = column - inverse.sum(axis=0) @ column / inverse.sum()
            variance = residual @ inverse @ residual / len(column)
            total += multivariate_normal.logpdf(residual, cov=variance * kernel)
        return total

    kernel = similarities(BITS, BITS)
    ours = [TanimotoProcess(BITS, kernel, SCORES, noise).likelihood for noise in NOISES]
    theirs = [reference(noise) for noise in NOISES]
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-6)
    process, noise = TanimotoProcess.likeliest(BITS, kernel, SCORES)
    assert noise == NOISES[int(np.argmax(theirs))]
    assert process.likelihood == max(ours)


def test_it_is_sure_of_what_it_saw_and_not_of_what_is_unlike() -> None:
    process = fitted(6)
    said = process.predict(BITS[:6])
    np.testing.assert_allclose(said.mean, SCORES[:6], atol=0.1)
    elsewhere = process.predict(count_fingerprints([Chem.MolFromSmiles("FC(F)(F)S(=O)(=O)Br")]))
    assert (said.std < 0.2 * elsewhere.std).all()


def test_scores_that_are_all_alike_are_no_trouble() -> None:
    process, _ = TanimotoProcess.likeliest(BITS, similarities(BITS, BITS), np.ones((len(BITS), 1)))
    said = process.predict(BITS)
    assert said.mean == pytest.approx(1.0)
    assert (said.std < 1e-3).all()
