"""The repository rules: who may include whom, how large things may be, what must not be there.

    rules.py [ROOT]    checks every file that git tracks or would track; prints "file:line: rule: what is wrong"

One function a rule, each a generator of violations over a Tree. rules_test.py shows that each can fail.
"""

import ast
import dataclasses
import pathlib
import re
import subprocess
import sys

import cpp

# A -> B: files of room A may include files of room B (and always their own). A file belongs to the longest prefix.
INCLUDES = {
    "base": [],
    "proto": [],
    "media": ["base"],
    "model/numerics": [],
    "model/ir": ["model/numerics", "base"],
    "model/format": ["model/ir", "model/numerics", "proto", "base"],
    "model/reference": ["model/ir", "model/numerics", "base"],
    "model/inspect": ["model/reference", "model/format", "model/ir", "model/numerics", "base", "backends/fpga/cosim",
                      "hw/regs"],
    "model/testing": ["model/ir", "model/numerics", "base"],
    "quantizer": ["model/numerics", "model/ir", "model/format", "model/reference", "media", "base"],
    "backends": ["model/numerics", "model/ir", "base"],
    "backends/cpu": ["backends", "model/numerics", "model/ir", "base"],
    "backends/fpga": ["backends", "model/numerics", "model/ir", "base", "hw/regs", "hw/sim", "hw/emulation"],
    "backends/fpga/cosim": ["backends/fpga", "model/numerics", "model/ir", "model/format", "model/reference", "media",
                            "hw/regs", "hw/sim", "base"],
    "hw/regs": [],
    "hw/rtl": ["hw/regs", "hw/sim", "model/numerics", "base"],
    "hw/sim": ["hw/regs", "model/numerics", "base"],
    "hw/emulation": ["hw/sim", "hw/regs", "base"],
    "server": ["backends", "backends/cpu", "backends/fpga", "proto", "model/numerics", "model/ir", "model/format", "base"],
    "clients": ["proto", "base", "media"],
    "demo": ["clients", "proto", "media", "base"],
}
# What test files (and benchmarks) of any room may include besides.
TEST_INCLUDES = ["model/numerics", "model/ir", "model/format", "model/reference", "model/testing", "base"]
# Outside interfaces that only a few files may see: what they include -> which paths.
OUTSIDE = {
    r"onnx/": r"quantizer/onnx_[^/]*",
    r"torch/|ATen/|c10/": r"quantizer/training/.*",
    r"xrt/|xrt\.h|xclbin\.h|ert\.h|experimental/xrt": r"backends/fpga/xrt_device[^/]*|hw/emulation/.*",
    r"verilated|V\w+\.h$": r"hw/(sim|rtl)/.*",
    r"boost/": r"server/http/web_server[^/]*|hw/emulation/(xrt_abi\.h|design\.cc)",
    r"png\.h|turbojpeg\.h|jpeglib\.h|zip\.h": r"media/.*",
}

LIMITS = {".h": 250, ".cc": 500, ".py": 500, ".sv": 400, "": 500}  # lines of a file; "" is a script without a suffix
FUNCTION_LIMIT = 70
FILE_BYTES_LIMIT = 1 << 20
# "path" (file size) or "path:function" (function size) -> why it may be longer.
EXCEPTIONS = {}

# Written in two parts, so that this file does not accuse itself.
BANNED_WORDS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|home|root|Users)/[\w.-]+")
VAGUE_NAME = re.compile(r"(^|_)(utils?|helpers?|common|misc)$")
DOCUMENT = re.compile(r"(?<![\w./-])(?:docs|scripts)/[\w./-]*\w")
MARKDOWN_LINK = re.compile(r"\]\(([^)\s]+)\)")
CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


@dataclasses.dataclass(frozen=True)
class Violation:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


class Tree:
    """Files by path, relative to the root, as bytes."""

    def __init__(self, files):
        self.files = files
        self.folders = {str(parent) for path in files for parent in pathlib.PurePosixPath(path).parents}

    @classmethod
    def of_git(cls, root):
        # safe.directory: a clone may belong to another user than the one who tests it.
        command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
        paths = [root / name for name in names if name]
        return cls({str(path.relative_to(root)): path.read_bytes() for path in paths if path.is_file()})

    def exists(self, path):
        return path.rstrip("/") in self.files or path.rstrip("/") in self.folders

    def texts(self, *suffixes):
        """(path, lines) of each text file, or of those with one of the suffixes."""
        for path, content in sorted(self.files.items()):
            if (suffixes and pathlib.PurePosixPath(path).suffix not in suffixes) or b"\0" in content:
                continue
            yield path, content.decode("utf-8", "replace").splitlines()

    def functions(self):
        """(path, lines, function) of each C++ function."""
        for path, lines in self.texts(".h", ".cc"):
            for function in cpp.functions("\n".join(lines)):
                yield path, lines, function


def room_of(path):
    folders = [room for room in INCLUDES if path.startswith(room + "/")]
    return max(folders, key=len, default=None)


def is_test(path):
    return path.startswith("tests/") or "/testing/" in path or bool(re.search(r"_(test|bench)\.cc$", path))


def is_generated(path):
    return re.fullmatch(r"proto/\w+(\.grpc)?\.pb\.h|hw/regs/(isa|registers|configurations)\.h", path) is not None


def is_verilated(path):
    return re.fullmatch(r"V\w+\.h", path) is not None


def include_directions(tree):
    roots = {path.split("/")[0] for path in tree.files if "/" in path}
    for path, lines in tree.texts(".h", ".cc"):
        room = room_of(path)
        if room is None and not path.startswith(("tests/", "hw/")):
            yield Violation(path, 1, "include_directions", "this folder is in no row of INCLUDES in tests/rules/rules.py")
            continue
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match is None or (match[1] == "<" and not tree.exists(match[2])):
                continue
            target = match[2]
            if (target.split("/")[0] not in roots and "/" in target) or is_verilated(target):
                continue  # a library's
            if not tree.exists(target) and not is_generated(target):
                message = f'"{target}" is no file of ours, named from the root'
            elif target.startswith("tests/") and not path.startswith("tests/"):
                message = "only tests/ includes tests/"
            elif "/testing/" in target and not is_test(path):
                message = "only tests include testing/"
            elif path.startswith("tests/") or may_include(path, room, target):
                continue
            else:
                message = f"{room} may not include {room_of(target)} ({target})"
            yield Violation(path, number, "include_directions", message)


def may_include(path, room, target):
    room_of_target = room_of(target)
    allowed = [room, *INCLUDES.get(room, [])] + (TEST_INCLUDES if is_test(path) else [])
    return room_of_target in allowed


def outside_interfaces(tree):
    for path, lines in tree.texts(".h", ".cc"):
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            for header, allowed in OUTSIDE.items() if match else ():
                if re.match(header, match[2]) and not re.fullmatch(allowed, path) and not is_test(path):
                    yield Violation(path, number, "outside_interfaces", f"only {allowed} may include {match[2]}")


def file_sizes(tree):
    for path, lines in tree.texts():
        suffix = pathlib.PurePosixPath(path).suffix
        is_script = suffix == "" and bool(lines) and lines[0].startswith("#!")
        limit = LIMITS.get(suffix) if suffix or is_script else None
        if limit is not None and len(lines) > limit and path not in EXCEPTIONS:
            yield Violation(path, limit + 1, "file_sizes", f"{len(lines)} lines; at most {limit}")
    for path, content in sorted(tree.files.items()):
        if len(content) > FILE_BYTES_LIMIT:
            yield Violation(path, 1, "file_sizes", f"{len(content)} bytes; at most {FILE_BYTES_LIMIT}")


def function_sizes(tree):
    measured = [(path, f.name, f.first_line, f.last_line) for path, _, f in tree.functions()]
    for path, lines in tree.texts(".py"):
        for node in ast.walk(ast.parse("\n".join(lines), path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                measured.append((path, node.name, node.lineno, node.end_lineno))
    for path, name, first, last in measured:
        if last - first + 1 > FUNCTION_LIMIT and f"{path}:{name}" not in EXCEPTIONS:
            yield Violation(path, first, "function_sizes", f"{name} has {last - first + 1} lines; at most {FUNCTION_LIMIT}")


def no_feature_conditionals(tree):
    for path, lines, function in tree.functions():
        for number in range(function.first_line, function.last_line + 1):
            if CONDITIONAL.match(lines[number - 1]):
                yield Violation(path, number, "no_feature_conditionals", f"#if inside {function.name}; use a file of its own")


def tests_are_built(tree):
    lists = {str(pathlib.PurePosixPath(path).parent): re.sub("#.*", "", "\n".join(lines))
             for path, lines in tree.texts(".txt") if path.endswith("CMakeLists.txt")}
    for path in sorted(tree.files):
        if not re.search(r"_(test|bench)\.(cc|py)$", path):
            continue
        pure = pathlib.PurePosixPath(path)
        names = [(str(parent), str(pure.relative_to(parent))) for parent in pure.parents]
        if not any(re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w.])|[}}]/{re.escape(name)}(?![\w.])", lists.get(folder, ""))
                   for folder, name in names):
            yield Violation(path, 1, "tests_are_built", "no CMakeLists.txt above it names this file")


def first_line_says_what(tree):
    for path, lines in tree.texts():
        suffix = pathlib.PurePosixPath(path).suffix
        first = lines[0] if lines else ""
        folder = str(pathlib.PurePosixPath(path).parent)
        include = INCLUDE.match(first)
        own_header = include is not None and str(pathlib.PurePosixPath(include[2]).parent) == folder
        if suffix == ".h":
            good = first.startswith("// ")
        elif suffix == ".cc":
            good = first.startswith("// ") or own_header  # the header says it
        elif first.startswith("#!") or suffix == ".py":
            second = next((line for line in lines if not line.startswith("#!")), "")
            good = second.startswith(("# ", '"""')) or not any(lines)
        else:
            continue
        if not good:
            yield Violation(path, 1, "first_line_says_what", "starts with no comment that says what the file is")


def headers_have_pragma_once(tree):
    for path, lines in tree.texts(".h"):
        code = [line for line in lines if line.strip() and not line.startswith("//")]
        if not code or code[0] != "#pragma once":
            yield Violation(path, 1, "headers_have_pragma_once", "'#pragma once' is not the first line of code")


def names_say_something(tree):
    for path in sorted(tree.files):
        pure = pathlib.PurePosixPath(path)
        for part in [*pure.parts[:-1], pure.name.split(".")[0]]:
            if VAGUE_NAME.search(part):
                yield Violation(path, 1, "names_say_something", f"'{part}' does not say what is in it")


def no_banned_text(tree):
    for path, lines in tree.texts():
        for number, line in enumerate(lines, 1):
            word = BANNED_WORDS.search(line)
            if word:
                yield Violation(path, number, "no_banned_text", f"'{word[0]}': do it, or open an issue")
            place = MACHINE_PATH.search(line)
            if place:
                yield Violation(path, number, "no_banned_text", f"'{place[0]}' is a path of one machine")


def named_files_exist(tree):
    for path, lines in tree.texts():
        folder = pathlib.PurePosixPath(path).parent
        is_markdown = path.endswith(".md")
        for number, line in enumerate(lines, 1):
            targets = [name for name in DOCUMENT.findall(line) if not path.startswith("tests/rules/")]
            if is_markdown:
                for link in MARKDOWN_LINK.findall(line):
                    target = link.split("#")[0]
                    if target and not re.match(r"[a-z]+:", target):
                        targets.append(normalise(folder / target))
            for target in targets:
                if not tree.exists(target):
                    yield Violation(path, number, "named_files_exist", f"there is no {target}")


def normalise(path):
    parts = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts) or "."


def exceptions_are_needed(tree):
    for name in sorted(EXCEPTIONS):
        if name.split(":")[0] not in tree.files:
            yield Violation("tests/rules/rules.py", 1, "exceptions_are_needed", f"'{name}' names no file")


RULES = [include_directions, outside_interfaces, file_sizes, function_sizes, no_feature_conditionals, tests_are_built,
         first_line_says_what, headers_have_pragma_once, names_say_something, no_banned_text, named_files_exist,
         exceptions_are_needed]


def check(tree):
    return [violation for rule in RULES for violation in rule(tree)]


def main():
    default_root = pathlib.Path(__file__).resolve().parent.parent.parent
    tree = Tree.of_git(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else default_root)
    violations = check(tree)
    for violation in violations:
        print(violation)
    print(f"{len(RULES)} rules, {len(tree.files)} files, {len(violations)} violations")
    # A check that saw nothing proves nothing.
    return 1 if violations or not tree.files else 0


if __name__ == "__main__":
    sys.exit(main())
