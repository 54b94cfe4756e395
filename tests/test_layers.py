"""Who may import whom: the floors of docs/architecture.md, read from the source text."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MAY_IMPORT = {
    "bnnhw": {"bnnhw"},
    "rtl_gen": {"bnnhw", "rtl_gen"},
    "sim": {"bnnhw", "rtl_gen"},  # itself relatively
    "boards": {"bnnhw", "rtl_gen"},
    "tests": {"bnnhw", "rtl_gen", "sim", "boards", "scripts"},
    "scripts": {"bnnhw", "rtl_gen", "sim", "boards"},
}


@dataclass(frozen=True)
class Import:
    """One import statement of one file; `target` is the whole dotted name."""

    file: Path
    line: int
    target: str
    relative: bool
    star: bool
    eager: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.target}"


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def dotted(file: Path) -> list[str]:
    """Package that a file's relative imports start from."""
    return list(file.relative_to(ROOT).parts[:-1])


def is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def eager_nodes(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or is_type_checking(node):
            continue
        yield node
        for part in ("body", "orelse", "finalbody"):
            yield from eager_nodes(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            yield from eager_nodes(handler.body)


def imports_of(file: Path, text: str) -> Iterator[Import]:
    tree = ast.parse(text)
    eager = {id(node) for node in eager_nodes(tree.body)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, False, False, id(node) in eager)
        elif isinstance(node, ast.ImportFrom):
            package = dotted(file)[: len(dotted(file)) + 1 - node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                target = base if alias.name == "*" else f"{base}.{alias.name}"
                yield Import(
                    file, node.lineno, target, node.level > 0, alias.name == "*", id(node) in eager
                )


def all_imports(folder: str) -> list[Import]:
    return [found for file in sources(folder) for found in imports_of(file, file.read_text())]


def top(name: str) -> str:
    return name.partition(".")[0]


def upward(folder: str, found: Import) -> bool:
    """Whether an import goes against the floors."""
    group = top(found.target)
    if group not in MAY_IMPORT:
        return False
    return group not in MAY_IMPORT[folder] and not (group == folder and found.relative)


def needs_hardware(found: Import) -> bool:
    return top(found.target).startswith("amaranth")


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_floors(folder: str) -> None:
    assert [str(found) for found in all_imports(folder) if upward(folder, found)] == []


def test_numbers_never_import_the_hdl() -> None:
    assert [str(found) for found in all_imports("bnnhw") if needs_hardware(found)] == []


def test_command_line_starts_without_the_hdl() -> None:
    """The light core has no Amaranth, and `bnnhw --help` and `bnnhw run` must work there."""
    reached = reached_eagerly([module_name(file) for file in cli_files()])
    assert [str(found) for found in reached if needs_hardware(found)] == []


def test_star_imports() -> None:
    stars = [found for folder in MAY_IMPORT for found in all_imports(folder) if found.star]
    wrong = [
        str(found)
        for found in stars
        if top(found.target) != "amaranth" or found.file.relative_to(ROOT).parts[0] != "rtl_gen"
    ]
    assert wrong == []


def test_no_import_circles() -> None:
    arrows = {name: {target for _, target in found} for name, found in module_graph().items()}
    assert find_circle(arrows) == []


def test_planted_faults_are_seen() -> None:
    """Each check above would fail on a file that breaks its rule."""
    planted = ROOT / "bnnhw" / "planted.py"
    bad = list(imports_of(planted, "import amaranth\nfrom rtl_gen import mvtu\nfrom x import *\n"))
    assert [needs_hardware(found) for found in bad] == [True, False, False]
    assert [upward("bnnhw", found) for found in bad] == [False, True, False]
    assert [found.star for found in bad] == [False, False, True]
    inside = list(imports_of(ROOT / "sim" / "a.py", "from .b import c\nfrom sim.b import c\n"))
    assert [upward("sim", found) for found in inside] == [False, True]
    lazy = list(imports_of(planted, "def f():\n    import amaranth\nclass C:\n    import re\n"))
    assert {found.target: found.eager for found in lazy} == {"amaranth": False, "re": True}
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def cli_files() -> list[Path]:
    found = [*(ROOT / "rtl_gen").glob("cli*.py"), *(ROOT / "rtl_gen" / "cli").rglob("*.py")]
    assert found, "the command line is expected at rtl_gen/cli.py or in rtl_gen/cli/"
    return found


def module_name(file: Path) -> str:
    parts = [*file.relative_to(ROOT).parts[:-1], file.stem]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def module_graph() -> dict[str, list[tuple[Import, str]]]:
    """Per module of ours, what it imports eagerly of ours."""
    folders = ("bnnhw", "rtl_gen", "sim", "boards")
    names = {module_name(file) for folder in folders for file in sources(folder)}
    graph: dict[str, list[tuple[Import, str]]] = {name: [] for name in names}
    for folder in folders:
        for found in all_imports(folder):
            target = found.target if found.target in names else found.target.rpartition(".")[0]
            source = module_name(found.file)
            if found.eager and target in names and target != source:
                graph[source].append((found, target))
    return graph


def reached_eagerly(starts: list[str]) -> list[Import]:
    """All imports that run when the modules are imported, through modules of ours."""
    graph = module_graph()
    by_module: dict[str, list[Import]] = {}
    for folder in ("bnnhw", "rtl_gen"):
        for found in all_imports(folder):
            if found.eager:
                by_module.setdefault(module_name(found.file), []).append(found)
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        todo += [target for _, target in graph.get(name, [])]
        if "." in name:
            todo.append(name.rpartition(".")[0])
    return [found for name in sorted(seen) for found in by_module.get(name, [])]


def find_circle(arrows: dict[str, set[str]]) -> list[str]:
    """Find one import circle, as the modules on it; empty if there is none."""
    done: set[str] = set()

    def walk(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for target in sorted(arrows.get(name, ())):
            if circle := walk(target, [*trail, name]):
                return circle
        done.add(name)
        return []

    for name in sorted(arrows):
        if circle := walk(name, []):
            return circle
    return []
