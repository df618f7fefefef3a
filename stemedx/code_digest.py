"""What a stage's code is: a digest that changes when its behaviour may.

Snakemake tracks scripts, not the modules they import. The digest of a module's
import closure, handed to the rule as a parameter, closes that hole.
"""

import ast
from functools import cache
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What these change reaches a stage through its settings, or does not change results.
LEFT_OUT = frozenset(
    {"stemedx.params", "stemedx.sheet", "stemedx.arrays", "stemedx.tensors", "stemedx.logs"}
)


def code_digest(*modules: str, root: Path = ROOT) -> str:
    """Return a digest of `modules` and all they import from this project.

    Comments, docstrings and layout do not count: the syntax trees are compared.

    Parameters
    ----------
    modules
        Dotted names, ``stemedx.stages.align``.
    root
        Folder that holds the package.

    Raises
    ------
    ValueError
        If a module does not exist.
    """
    trees = [f"{name}\n{_dump(root, name)}" for name in sorted(closure(modules, root))]
    return sha256("\n".join(trees).encode()).hexdigest()[:16]


def closure(modules: tuple[str, ...], root: Path = ROOT) -> set[str]:
    """Return `modules` and every module of the project that they import."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or name in LEFT_OUT:
            continue
        found.add(name)
        waiting.extend(_imports(root, name))
    return found


@cache
def _tree(root: Path, name: str) -> ast.Module:
    path = _path(root, name)
    if path is None:
        raise ValueError(f"{name}: no such module under {root}.")
    return ast.parse(path.read_text(encoding="utf-8"))


def _path(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@cache
def _imports(root: Path, name: str) -> frozenset[str]:
    """Return the project's modules that a module imports, packages included."""
    wanted: set[str] = set()
    for node in ast.walk(_tree(root, name)):
        if isinstance(node, ast.Import):
            wanted.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            wanted.add(node.module)
            wanted.update(f"{node.module}.{alias.name}" for alias in node.names)
    parents = {item.rsplit(".", n)[0] for item in wanted for n in range(1, item.count(".") + 1)}
    return frozenset(item for item in wanted | parents if _path(root, item) is not None)


@cache
def _dump(root: Path, name: str) -> str:
    """Return the syntax tree of a module as text, without its docstrings."""
    tree = _tree(root, name)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [item for item in body if not _is_docstring(item)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
