"""The architecture as tests: the folders there are, and imports that only look back along the data's path."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"molgen", "cli", "tests", "data", "checkpoints", "docs"}
ORDER = [
    "errors",
    "extras",
    "paths",
    "plain",
    "interrupt",
    "chem.molecule",
    "chem.formats",
    "chem.table",
    "chem.properties",
    "chem.checks",
    "chem.edit",
    "chem.conformer",
    "run",
    "model.device",
    "model.tokens",
    "model.pieces",
    "model.gru",
    "model.smiles_tokens",
    "model.sizes",
    "model.speaker",
    "model.vae",
    "model.inversion",
    "model.geometry",
    "model.predictor",
    "model.process",
    "model.language",
    "model.prior",
    "model.typicality",
    "model.reading",
    "model.splits",
    "model.dataset",
    "model.prepared",
    "model.batches",
    "model.validation",
    "model.checkpoint",
    "model.process_fit",
    "model.refit",
    "model.language_fit",
    "model.prior_fit",
    "model.typicality_fit",
    "model.metrics",
    "model.state",
    "model.learner",
    "model.training",
    "model.training_spec",
    "model.origin",
    "model.experiment",
    "latent.space",
    "latent.nearest",
    "latent.adaptive",
    "latent.vectors",
    "latent.encodable",
    "latent.linear",
    "latent.trust",
    "latent.path",
    "latent.analogy",
    "latent.index",
    "latent.library",
    "latent.preference",
    "latent.projection",
    "latent.walk",
    "latent.direction",
    "latent.probe",
    "latent.units",
    "score.text",
    "score.desirability",
    "score.constraint",
    "score.objective",
    "score.measure",
    "score.worker",
    "score.child",
    "score.scorer",
    "score.plugin",
    "score.oracle",
    "search.request",
    "search.spec",
    "search.ledger",
    "search.pareto",
    "search.proposal",
    "search.surrogate",
    "search.breeding",
    "search.latent_config",
    "search.pool",
    "search.population",
    "search.latent_search",
    "search.sampler",
    "search.study",
    "search.start",
    "search.campaign",
    "search.launch",
    "project.quantity",
    "project.columns",
    "project.structure",
    "project.replicates",
    "project.cliffs",
    "project.curation",
    "project.curated_file",
    "output.candidates",
    "output.sdf",
    "output.picture",
    "output.listing",
    "output.chart",
    "output.map_page",
    "bench.regression",
    "bench.reconstruction",
    "bench.samples",
    "bench.smoothness",
    "bench.evaluation",
    "bench.figure",
    "bench.moses_vae",
    "bench.speed",
    "bench.outcome",
    "bench.pharmacophore",
    "bench.rules",
    "bench.learned",
    "bench.pmo",
    "bench.proposer",
    "bench.pmo_run",
    "bench.pmo_report",
    "bench.assay",
    "bench.interpolation",
    "bench.analogies",
    "bench.retrieval",
    "bench.applicability",
    "bench.steering",
    "bench.recommendation",
    "bench.probing",
    "bench.instruments",
]


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT / "molgen").with_suffix("").parts)


def imported(file: Path) -> Iterator[str]:
    """Full names of all that `file` imports, wherever in it the import stands."""
    package = ["molgen", *name_of(file).split(".")[:-1]]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def place(name: str) -> int | None:
    """Where the molgen module that holds `name` stands in ORDER; None for what is not in molgen."""
    for index, module in enumerate(ORDER):
        if f"{name}.".startswith(f"molgen.{module}."):
            return index
    return None


MODULES = sorted(file for file in (ROOT / "molgen").rglob("*.py") if file.name != "__init__.py")


def test_every_module_has_its_place_in_the_order() -> None:
    assert {name_of(file) for file in MODULES} == set(ORDER)


@pytest.mark.parametrize("file", [file for file in MODULES if name_of(file) in ORDER], ids=name_of)
def test_a_module_imports_only_what_lies_before_it(file: Path) -> None:
    own = ORDER.index(name_of(file))
    for name in imported(file):
        if name == "molgen" or name.startswith("molgen."):
            before = place(name)
            assert before is not None, f"{name} is no module in ORDER"
            assert before < own, f"{name} comes later than {ORDER[own]}"


def test_packages_import_nothing_of_molgen_at_run_time() -> None:
    for file in (ROOT / "molgen").rglob("*/__init__.py"):
        assert not list(imported(file)), f"{file} imports"


@pytest.mark.parametrize("folder", ["molgen", "cli", "tests"])
def test_nobody_imports_the_command_line_by_name(folder: str) -> None:
    for file in sorted((ROOT / folder).rglob("*.py")):
        names = {name.split(".")[0] for node in ast.walk(ast.parse(file.read_text("utf-8"))) for name in heads(node)}
        assert not names & {"cli", "molgen_cli"}, file


def heads(node: ast.AST) -> list[str]:
    """Modules that `node` imports by an absolute name."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [node.module or ""]
    return []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git checkout")
def test_top_level_folders_are_the_fixed_ones() -> None:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = {Path(line).parts[0] for line in listing.splitlines() if "/" in line}
    assert {folder for folder in tracked if not folder.startswith(".")} <= FOLDERS
    assert all((ROOT / folder).is_dir() for folder in FOLDERS)


@pytest.mark.parametrize("folder", ["data", "checkpoints"])
def test_shipped_folders_are_flat(folder: str) -> None:
    assert not [entry for entry in (ROOT / folder).iterdir() if entry.is_dir()]
