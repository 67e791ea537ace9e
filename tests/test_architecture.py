"""The house: who imports whom, how long a file may be, and that the engine knows no rule."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from allocator import schema
from allocator.certificate import UNPRICED
from allocator.policy import INDISPENSABLE
from models import CATALOGUE

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "allocator": {"allocator"},
    "models": {"allocator", "models"},
    "instances": {"allocator", "instances"},
    "api": {"allocator", "models", "instances", "api"},
    "benchmarks": {"allocator", "models", "instances", "api", "benchmarks"},
}
OURS = {*MAY_IMPORT, "tests"}
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 70
KNOWN_TO_THE_ENGINE = {*INDISPENSABLE, UNPRICED}
"""Names of rules that the engine rests on, with the reason where each is named."""


def sources(folder: str) -> list[Path]:
    """Every source of a folder; timed tests among the benchmarks are tests, not sources."""
    found = sorted((ROOT / folder).rglob("*.py"))
    found = [path for path in found if folder != "benchmarks" or not path.name.startswith("test_")]
    assert found, f"{folder} has no sources"
    return found


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, top-level package) of every import, those inside functions among them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name.split(".")[0]) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively; wanted: the full name"
            assert node.module is not None
            yield node.lineno, node.module.split(".")[0]


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_go_one_way(folder: str) -> None:
    forbidden = OURS - MAY_IMPORT[folder]
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {package}"
        for path in sources(folder)
        for line, package in imported(path)
        if package in forbidden
    ]
    assert wrong == []


def test_rules_and_goals_do_not_import_each_other() -> None:
    wrong = []
    for path in [*sources("models/rules"), *sources("models/goals")]:
        if path.name == "__init__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if module.startswith(("models.rules.", "models.goals.")):
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert wrong == []


def test_solvers_are_imported_by_their_backends_alone() -> None:
    solvers = {"highspy", "ortools", "pulp"}
    wrong = {
        path.relative_to(ROOT).as_posix()
        for folder in ("allocator", "models", "api", "instances")
        for path in sources(folder)
        for _, package in imported(path)
        if package in solvers
    }
    assert wrong == {f"allocator/backends/{name}.py" for name in ("highs", "cpsat", "scip", "cbc")}


@pytest.mark.parametrize("folder", ["allocator", "models", "api", "instances", "benchmarks"])
def test_files_and_functions_are_short(folder: str) -> None:
    long = []
    for path in sources(folder):
        text = path.read_text(encoding="utf-8")
        if (lines := len(text.splitlines())) > MOST_LINES:
            long.append(f"{path.relative_to(ROOT)} has {lines} lines; wanted {MOST_LINES} at most")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {lines} lines")
    assert long == []


def test_the_engine_names_no_rule_but_those_it_rests_on() -> None:
    """Rules and goals reach the engine as rows and prices; a name in its code would be a rule in disguise."""
    tables = {table.name for table in schema.TABLES}
    names = {rule.name for rule in (*CATALOGUE.rules, *CATALOGUE.goals)} - KNOWN_TO_THE_ENGINE - tables
    named = [
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {node.value}"
        for path in sources("allocator")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert named == []


def test_rules_that_the_engine_rests_on_exist() -> None:
    names = {rule.name for rule in CATALOGUE.rules}
    assert names >= KNOWN_TO_THE_ENGINE


@pytest.mark.parametrize("folder", ["allocator", "models", "api", "instances", "benchmarks"])
def test_nothing_is_swallowed(folder: str) -> None:
    """No bare except and no except Exception, but where a child hands its error to its parent."""
    wrong = []
    for path in sources(folder):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                caught = node.type.id if isinstance(node.type, ast.Name) else ""
                raises_again = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                if (node.type is None or caught in ("Exception", "BaseException")) and not raises_again:
                    wrong.append(path.relative_to(ROOT).as_posix())
    assert wrong == ["allocator/backends/worker.py"] if folder == "allocator" else wrong == []


@pytest.mark.parametrize("folder", ["allocator", "models", "api", "instances", "benchmarks"])
def test_everything_public_has_a_docstring(folder: str) -> None:
    missing = []
    for path in sources(folder):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if ast.get_docstring(tree) is None:
            missing.append(str(path.relative_to(ROOT)))
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                inner = node.body if isinstance(node, ast.ClassDef) else []
                methods = [item for item in inner if isinstance(item, ast.FunctionDef) and item.name[0] != "_"]
                undescribed = [item.name for item in [node, *methods] if ast.get_docstring(item) is None]
                missing += [f"{path.relative_to(ROOT)}: {name}" for name in undescribed]
    assert missing == []
