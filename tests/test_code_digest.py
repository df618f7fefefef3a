"""The digest of a stage's code: what changes it, and what does not."""

import pytest

from stemedx import code_digest as module
from stemedx.code_digest import closure, code_digest

MODULE_A = '''"""Doc."""
from stemedx.deep import b
import numpy


def f():
    """Say."""
    return b.g()  # why
'''
FILES = {
    "stemedx/__init__.py": '"""Package."""\n',
    "stemedx/params.py": "N = 1\n",
    "stemedx/a.py": MODULE_A,
    "stemedx/deep/__init__.py": "",
    "stemedx/deep/b.py": "from stemedx import params\n\n\ndef g():\n    return 1\n",
    "stemedx/c.py": "X = 2\n",
    "workflow_scripts/a.py": "from stemedx.a import f\n\nf()\n",
}


@pytest.fixture
def project(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def edited(name, text):
        for cached in (module._tree, module._imports, module._dump):
            cached.cache_clear()
        before = code_digest("workflow_scripts.a", root=tmp_path)
        (tmp_path / name).write_text(text)
        for cached in (module._tree, module._imports, module._dump):
            cached.cache_clear()
        return before != code_digest("workflow_scripts.a", root=tmp_path)

    return edited


def test_a_module_imported_by_an_imported_module_counts(project):
    assert project("stemedx/deep/b.py", FILES["stemedx/deep/b.py"].replace("1", "2"))


def test_the_package_of_an_imported_module_counts(project):
    assert project("stemedx/deep/__init__.py", "Y = 3\n")


def test_a_module_that_nobody_imports_does_not_count(project):
    assert not project("stemedx/c.py", "X = 3\n")


def test_comments_docstrings_and_layout_do_not_count(project):
    text = FILES["stemedx/a.py"]
    text = text.replace("Say", "Tell").replace("# why", "# because").replace("Doc", "New")
    assert not project("stemedx/a.py", text + "\n\n")


def test_parameters_do_not_count_for_they_reach_a_stage_as_settings(project):
    assert not project("stemedx/params.py", "N = 2\n")


def test_the_closure_of_a_real_stage():
    found = closure(("stemedx.stages.split",))
    assert "stemedx.counts" in found
    assert "stemedx.params" not in found
    assert not any(name.startswith("stemedx.reconstruct.") for name in found)


def test_a_module_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="stemedx.none: no such module"):
        code_digest("stemedx.none")
