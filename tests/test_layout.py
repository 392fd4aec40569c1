"""The architecture as tests: folders and their size, imports that only look back along the data's path, names."""

import ast
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOM = 15
"""How many modules a folder may hold."""
FOLDERS = {"molgen", "cli", "tests", "data", "checkpoints", "docs"}
ORDER = [
    "arrays",
    "quoting",
    "errors",
    "extras",
    "paths",
    "hashes",
    "json_values",
    "metrics",
    "interrupt",
    "renames",
    "device",
    "workers.tasks",
    "workers.local",
    "workers.executor",
    "chem.lines",
    "chem.molecule",
    "chem.formats",
    "chem.table",
    "chem.sampling",
    "chem.properties",
    "chem.checks",
    "chem.stability",
    "chem.familiarity",
    "chem.admission",
    "chem.graph_edits",
    "chem.core",
    "chem.conformer",
    "chem.count_fingerprints",
    "chem.descriptor_vectors",
    "lock",
    "replacement",
    "run",
    "tokens.selfies_vocabulary",
    "tokens.batches",
    "tokens.bpe",
    "tokens.smiles_vocabulary",
    "tokens.tokenisation",
    "model.gru",
    "model.sizes",
    "model.decoder",
    "model.vae",
    "model.refinement",
    "model.predictor",
    "model.gaussian_process",
    "model.molecule_process",
    "model.language_model",
    "model.prior",
    "model.applicability",
    "model.checkpoint",
    "train.data.splits",
    "train.data.dataset",
    "train.data.doubts",
    "train.data.cache",
    "train.data.batches",
    "train.validation",
    "train.distance_loss",
    "train.fit.tobit",
    "train.fit.forest",
    "train.fit.molecule_process",
    "train.fit.predictor",
    "train.fit.language_model",
    "train.fit.prior",
    "train.fit.regions",
    "train.fit.applicability",
    "train.fit.familiarity",
    "train.log",
    "train.state",
    "train.step",
    "train.loop",
    "train.spec",
    "train.initial_model",
    "train.run",
    "latent.arguments",
    "latent.region",
    "latent.space",
    "latent.remote",
    "latent.remote",
    "latent.filtered_space",
    "latent.encoder",
    "latent.nearest",
    "latent.vectors",
    "latent.encodable",
    "latent.trust",
    "latent.combined_model",
    "explore.linear_probe",
    "explore.path",
    "explore.analogy",
    "explore.index",
    "explore.library",
    "explore.comparisons",
    "explore.preference",
    "explore.liked",
    "explore.colours",
    "explore.projection",
    "explore.walk",
    "explore.direction",
    "explore.probe",
    "explore.units",
    "score.text",
    "score.desirability",
    "score.constraint",
    "score.objective",
    "score.pose",
    "score.docking",
    "score.measure",
    "score.defaults",
    "score.external.worker",
    "score.external.supervisor",
    "score.external.process",
    "score.external.scorer",
    "score.external.function",
    "score.external.docking",
    "score.external.parallel",
    "score.external.executor",
    "score.external.plugin",
    "score.oracle",
    "sample.conditional",
    "explore.neighbours",
    "sample.series",
    "search.spec",
    "search.ledger",
    "search.pareto",
    "search.evolution.moves",
    "search.evolution.surrogate",
    "search.evolution.operators",
    "search.evolution.config",
    "search.evolution.pool",
    "search.evolution.adaptive_space",
    "search.evolution.population",
    "search.evolution.latent_search",
    "search.sampler",
    "search.study",
    "search.start",
    "search.feasibility",
    "search.campaign",
    "search.resumption",
    "search.launch",
    "project.quantity",
    "project.columns",
    "project.structure",
    "project.replicates",
    "project.cliffs",
    "project.curation",
    "project.curated_file",
    "project.forecast",
    "output.change",
    "project.explanation",
    "project.fit",
    "project.batch",
    "project.candidate_pool",
    "project.folder",
    "project.rounds",
    "output.known",
    "output.candidates",
    "output.poses",
    "output.sdf",
    "output.picture",
    "output.drawing",
    "output.listing",
    "output.finished",
    "campaign",
    "output.chart",
    "output.front",
    "output.map_page",
    "output.latent_map",
    "evaluate.regression",
    "evaluate.nats",
    "evaluate.reconstruction",
    "evaluate.samples",
    "evaluate.smoothness",
    "evaluate.report",
    "evaluate.figure",
    "evaluate.training_report",
    "output.report.plot",
    "output.dashboard",
    "output.choices",
    "output.report.content",
    "output.report.campaign",
    "output.report.training",
    "output.report.project",
    "output.report.page",
    "serve.access",
    "serve.workspace",
    "serve.work",
    "serve.campaigns",
    "serve.maps",
    "serve.likes",
    "serve.projects",
    "serve.instruments",
    "serve.asked",
    "serve.workbench",
    "serve.app",
    "serve.server",
    "bench.moses_vae",
    "bench.speed",
    "bench.proposer",
    "bench.assay",
    "bench.measured_assay",
    "bench.predictors",
    "bench.rounds",
    "bench.inventions",
    "bench.pmo.pharmacophore",
    "bench.pmo.rule_oracles",
    "bench.pmo.learned_oracles",
    "bench.pmo.tasks",
    "bench.pmo.run",
    "bench.pmo.report",
    "bench.instruments.interpolation",
    "bench.instruments.analogies",
    "bench.instruments.retrieval",
    "bench.instruments.applicability",
    "bench.instruments.steering",
    "bench.instruments.recommendation",
    "bench.instruments.probing",
    "bench.instruments.suite",
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
        if name.split(".")[0] == "molgen" and name != "molgen.__version__":
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


@pytest.mark.parametrize("root", ["molgen", "cli", "tests"])
def test_no_folder_is_crowded(root: str) -> None:
    modules = [file for file in (ROOT / root).rglob("*.py") if file.name not in ("__init__.py", "conftest.py")]
    counts = Counter(file.parent for file in modules)
    assert not {folder: count for folder, count in counts.items() if count > ROOM}


def public_names(file: Path) -> Iterator[str]:
    """Functions, classes and type aliases of a module; constants belong to their module."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            case _:
                names = []
        yield from (name for name in names if not name.startswith("_") and not name.isupper())


def test_no_public_name_is_defined_twice() -> None:
    counts = Counter(name for file in MODULES for name in public_names(file))
    assert not [name for name, count in counts.items() if count > 1]
