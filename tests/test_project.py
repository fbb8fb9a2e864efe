"""What the project says about itself is true: README, requirements, the script that CI runs, contracts of imports."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
OWN = {"app", "benchmarks", "dalle_core", "tests"}
FORBIDDEN = {"accelerate", "compel", "controlnet-aux", "diffusers", "invisible-watermark", "k-diffusion", "xformers"}
MORE = {"hub.py", "janus.py", "convert_janus.py", "rerankers.py"}  # downloads, and the families that need more
PART_OF_GRADIO = {"fastapi", "gradio-client", "starlette", "uvicorn"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(name: str) -> set[str]:
    """The packages that a requirements file names, with those of the files it includes."""
    found: set[str] = set()
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        entry = line.split("#")[0].strip()
        if entry.startswith("-r "):
            found |= required(entry.removeprefix("-r ").strip())
        elif entry:
            found.add(canonical(re.split(r"[<>=~!;\[ ]", entry)[0]))
    return found


def imported(files: Iterator[Path]) -> set[str]:
    """The packages whose modules these files import, those of the standard library and our own left out."""
    modules: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.split(".")[0])
    modules -= set(sys.stdlib_module_names) | OWN
    known = packages_distributions()
    return {canonical(known.get(module, [module])[0]) for module in modules} - PART_OF_GRADIO


def python_files(*folders: str, without: str = "-") -> Iterator[Path]:
    for folder in folders:
        yield from (file for file in (ROOT / folder).rglob("*.py") if not file.is_relative_to(ROOT / without))


class TestReadme:
    def test_its_two_commands_are_those_that_ci_runs(self):
        commands = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
        script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        assert README.count("```bash") == 2  # what sets everything up; examples of other commands are `sh`
        assert [command.strip() for command in commands] == re.findall(r"^(?:run|test)='(.*)'$", script, re.MULTILINE)
        assert all(command.count("\n") == 1 for command in commands)
        assert re.findall(r'bash -c "\$(\w+)"', script) == ["run", "test"]

    def test_every_folder_of_its_map_exists(self):
        folders = re.findall(r"^\| `([\w./]+)/` \|", README, re.MULTILINE)
        assert len(folders) >= 8
        assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []

    def test_every_package_of_the_project_is_on_its_map(self):
        files = [file for file in python_files("app", "dalle_core") if file.name == "__init__.py"]
        packages = [file.parent.relative_to(ROOT).as_posix() for file in files]
        assert [package for package in packages if f"| `{package}/` |" not in README] == []

    def test_every_file_it_names_exists(self):
        named = re.findall(r"`([\w./-]+\.(?:py|txt|toml))`|-r ([\w.-]+\.txt)", README)
        assert [name for pair in named for name in pair if name and not (ROOT / name).exists()] == []


class TestRequirements:
    @pytest.mark.parametrize("name", sorted(file.name for file in ROOT.glob("requirements*.txt")))
    def test_nothing_of_diffusion(self, name: str):
        assert required(name) & FORBIDDEN == set()

    def test_every_entry_has_both_bounds_or_is_a_pinned_reference(self):
        for file in ROOT.glob("requirements*.txt"):
            for line in file.read_text(encoding="utf-8").splitlines():
                if line.strip() and not line.startswith(("#", "-r")):
                    assert re.match(r"[\w-]+(\[\w+\])?(>=[\d.]+,<\d+|==[\d.]+)( +#.*)?$", line), f"{file.name}: {line}"

    def test_what_runs_imports_only_what_running_installs(self):
        files = list(python_files("app", "dalle_core", without="dalle_core/training"))
        assert imported(file for file in files if file.name not in MORE) - required("requirements.txt") == set()
        assert imported(file for file in files if file.name in MORE) - required("requirements-models.txt") == set()

    def test_what_trains_imports_only_what_training_installs(self):
        files = (file for file in python_files("dalle_core") if file.name not in MORE)
        assert imported(files) - required("requirements-train.txt") == set()

    def test_what_tests_imports_only_what_testing_installs(self):
        assert imported(python_files("tests")) - required("requirements-dev.txt") == set()


TOOLS = {
    "ruff": ("-m", "ruff", "check"),
    "ruff format": ("-m", "ruff", "format", "--check"),
    "lint-imports": ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-logo"),
    "mypy": ("-m", "mypy"),
}


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
def test_the_code_passes(tool: str):
    done = subprocess.run([sys.executable, *TOOLS[tool]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"\n{done.stdout}{done.stderr}"
