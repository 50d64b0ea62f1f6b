"""Each repository rule passes on a good tree and fails on a bad one."""

import unittest

import cpp
import rules


def violations(rule, files):
    tree = rules.Tree({path: content.encode() for path, content in files.items()})
    return [f"{violation.path}:{violation.line}" for violation in rule(tree)]


def header(code=""):
    return "// A thing.\n#pragma once\n" + code


class RulesTest(unittest.TestCase):
    def expect(self, rule, files, *places):
        self.assertEqual(violations(rule, files), list(places))

    def test_include_directions_hold_the_matrix(self):
        files = {room + "/x.h": header() for room in rules.INCLUDES} | {"tests/x.h": header()}
        good = {"base": [], "media": ["base"], "quantizer": ["model/format", "media"], "model/format": ["model/ir"],
                "server": ["backends/cpu", "model/format"], "clients": ["media", "base"], "tests": ["server", "quantizer"]}
        bad = {"base": ["media"], "media": ["model/ir"], "model/numerics": ["base"], "model/ir": ["model/format"],
               "backends": ["backends/cpu"], "backends/cpu": ["backends/fpga"], "backends/fpga": ["backends/cpu"],
               "server": ["quantizer", "media", "model/reference", "clients"], "clients": ["model/ir", "server"],
               "quantizer": ["backends", "tests"]}
        for room, targets in good.items():
            for target in targets:
                self.expect(rules.include_directions, files | {room + "/y.cc": f'#include "{target}/x.h"\n'})
        for room, targets in bad.items():
            for target in targets:
                self.expect(rules.include_directions, files | {room + "/y.cc": f'\n#include "{target}/x.h"\n'},
                            room + "/y.cc:2")

    def test_include_directions_let_tests_see_the_reference(self):
        files = {"model/reference/x.h": header(), "server/x.cc": '#include "model/reference/x.h"\n'}
        self.expect(rules.include_directions, files, "server/x.cc:1")
        files = {"model/reference/x.h": header(), "server/x_test.cc": '#include "model/reference/x.h"\n'}
        self.expect(rules.include_directions, files)

    def test_include_directions_keep_test_doubles_in_tests(self):
        files = {"backends/testing/x.h": header()}
        self.expect(rules.include_directions, files | {"backends/x_test.cc": '#include "backends/testing/x.h"\n'})
        self.expect(rules.include_directions, files | {"backends/x.cc": '#include "backends/testing/x.h"\n'}, "backends/x.cc:1")

    def test_include_directions_know_every_folder_and_file(self):
        self.expect(rules.include_directions, {"attic/x.cc": "int x;\n"}, "attic/x.cc:1")
        self.expect(rules.include_directions, {"base/x.cc": '#include "base/gone.h"\n'}, "base/x.cc:1")
        self.expect(rules.include_directions, {"base/x.h": header(), "base/y.cc": '#include "x.h"\n'}, "base/y.cc:1")
        self.expect(rules.include_directions, {"server/x.cc": '#include "proto/a.grpc.pb.h"\n', "proto/a.proto": ""})
        files = {"backends/fpga/x.cc": '#include "hw/regs/isa.h"\n', "hw/regs/generate.py": ""}
        self.expect(rules.include_directions, files)
        self.expect(rules.include_directions, files | {"base/x.cc": '#include "hw/regs/isa.h"\n'}, "base/x.cc:1")
        self.expect(rules.include_directions, files | {"hw/rtl/x.cc": '#include "hw/regs/bits.h"\n'}, "hw/rtl/x.cc:1")
        self.expect(rules.include_directions, {"base/x.cc": '#include "absl/status/status.h"\n#include <vector>\n'})

    def test_outside_interfaces(self):
        include = "#include <onnx/onnx_pb.h>\n"
        self.expect(rules.outside_interfaces, {"quantizer/onnx_import.cc": include})
        self.expect(rules.outside_interfaces, {"quantizer/fold.cc": include}, "quantizer/fold.cc:1")
        self.expect(rules.outside_interfaces, {"server/x.h": "#include <torch/torch.h>\n"}, "server/x.h:1")
        include = '#include "Vmsq_kernel.h"\n'
        self.expect(rules.outside_interfaces, {"hw/sim/x.cc": include})
        self.expect(rules.outside_interfaces, {"backends/fpga/x.cc": include}, "backends/fpga/x.cc:1")
        self.expect(rules.include_directions, {"hw/sim/x.cc": include})

    def test_file_sizes(self):
        self.expect(rules.file_sizes, {"base/x.h": "\n" * 250, "base/x.cc": "\n" * 500, "hw/rtl/x.sv": "\n" * 400})
        self.expect(rules.file_sizes, {"base/x.h": "\n" * 251}, "base/x.h:251")
        self.expect(rules.file_sizes, {"base/x.cc": "\n" * 501}, "base/x.cc:501")
        self.expect(rules.file_sizes, {"hw/rtl/x.sv": "\n" * 401}, "hw/rtl/x.sv:401")
        self.expect(rules.file_sizes, {"scripts/x": "#!/bin/sh\n" + "\n" * 500}, "scripts/x:501")
        self.expect(rules.file_sizes, {"x.bin": "\0" * ((1 << 20) + 1)}, "x.bin:1")

    def test_function_sizes(self):
        body = "  Call();\n"
        self.expect(rules.function_sizes, {"a.cc": "void F() {\n" + body * 68 + "}\n"})
        self.expect(rules.function_sizes, {"a.cc": "\nvoid F() {\n" + body * 69 + "}\n"}, "a.cc:2")
        self.expect(rules.function_sizes, {"a.py": "def f():\n" + "  f()\n" * 70}, "a.py:1")

    def test_no_feature_conditionals(self):
        self.expect(rules.no_feature_conditionals, {"a.cc": "#ifdef A\nvoid F() {}\n#endif\n"})
        self.expect(rules.no_feature_conditionals, {"a.cc": "void F() {\n#ifdef A\n  f();\n#endif\n}\n"}, "a.cc:2")

    def test_tests_are_built(self):
        lists = {"a/CMakeLists.txt": "msq_test(x SRCS b/x_test.cc)  # gone_test.cc\n"}
        self.expect(rules.tests_are_built, lists | {"a/b/x_test.cc": ""})
        self.expect(rules.tests_are_built, lists | {"a/gone_test.cc": ""}, "a/gone_test.cc:1")
        self.expect(rules.tests_are_built, lists | {"a/b/my_x_test.cc": ""}, "a/b/my_x_test.cc:1")
        self.expect(rules.tests_are_built, lists | {"a/b/x_bench.cc": ""}, "a/b/x_bench.cc:1")
        self.expect(rules.tests_are_built, lists | {"a/x_test.py": ""}, "a/x_test.py:1")

    def test_first_line_says_what(self):
        self.expect(rules.first_line_says_what, {"a/x.h": header(), "a/x.cc": '#include "a/x.h"\n', "a/x": "#!/bin/sh\n# Does.\n"})
        self.expect(rules.first_line_says_what, {"a/x.h": "#pragma once\n// A thing.\n"}, "a/x.h:1")
        self.expect(rules.first_line_says_what, {"a/x.cc": "#include <vector>\n"}, "a/x.cc:1")
        self.expect(rules.first_line_says_what, {"a/x": "#!/bin/sh\nset -e\n"}, "a/x:1")
        self.expect(rules.first_line_says_what, {"a/x.py": "import os\n"}, "a/x.py:1")

    def test_headers_have_pragma_once(self):
        self.expect(rules.headers_have_pragma_once, {"a.h": header()})
        self.expect(rules.headers_have_pragma_once, {"a.h": "// A thing.\n#include <vector>\n#pragma once\n"}, "a.h:1")

    def test_names_say_something(self):
        self.expect(rules.names_say_something, {"a/commonly.h": "", "a/futile.cc": ""})
        for path in ["a/string_utils.h", "a/test_helpers.cc", "common/x.h", "a/util.py"]:
            self.expect(rules.names_say_something, {path: ""}, path + ":1")

    def test_no_banned_text(self):
        self.expect(rules.no_banned_text, {"a.cc": "mktemp XXXXXX /tmp/x ../shared/data /usr/share/x $HOME/work/x\n"})
        for text in ["TO" + "DO: later", "// FIX" + "ME", "cp /ho" + "me/someone/x ."]:
            self.expect(rules.no_banned_text, {"a.md": "\n" + text + "\n"}, "a.md:2")

    def test_named_files_exist(self):
        files = {"docs/a.md": "[b](b.md#part) [c](../scripts/c) [w](https://w) [here](#x)\n", "docs/b.md": "",
                 "scripts/c": "", "README.md": "Run `scripts/c --all`; see docs/b.md.\n"}
        self.expect(rules.named_files_exist, files)
        self.expect(rules.named_files_exist, {"docs/a.md": "\n[b](b.md)\n"}, "docs/a.md:2")
        self.expect(rules.named_files_exist, {"README.md": "`scripts/gone`\n"}, "README.md:1")
        self.expect(rules.named_files_exist, {"a.h": "// Rules: docs/gone.md\n"}, "a.h:1")

    def test_exceptions_are_needed(self):
        self.expect(rules.exceptions_are_needed, {})
        rules.EXCEPTIONS["gone.cc"] = "it was large"
        self.addCleanup(rules.EXCEPTIONS.pop, "gone.cc")
        self.expect(rules.exceptions_are_needed, {}, "tests/rules/rules.py:1")


class FunctionsTest(unittest.TestCase):
    def expect(self, text, *functions):
        found = [(function.name, function.first_line, function.last_line) for function in cpp.functions(text)]
        self.assertEqual(found, list(functions))

    def test_finds_functions_in_scopes(self):
        self.expect("namespace a {\nclass B : C {\n public:\n  int F() const {\n    return 1;\n  }\n};\n}\n", ("F", 4, 6))
        self.expect("template <typename T>\nabsl::StatusOr<T>\nF(T x) noexcept {\n}\n", ("F", 1, 4))
        self.expect("struct stat;\nX::~X() {\n}\nbool operator==(A a, B b) {\n}\n", ("X::~X", 2, 3), ("operator==", 4, 5))

    def test_counts_lambdas_and_control_flow_into_the_function(self):
        self.expect("void F() {\n  auto g = [] {\n  };\n  if (x) {\n  } else {\n  }\n}\n", ("F", 1, 7))

    def test_is_not_fooled_by_text(self):
        self.expect('const char* s = "void F() {";  // void G() {\n#define H() {\nint x = \'{\' + 1\'000;\n')
        self.expect('const char* s = R"(\nvoid F() {)";\nvoid G() {\n}\n', ("G", 3, 4))

    def test_skips_data(self):
        self.expect("enum class A : int { kB };\nconst int t[] = {\n  1,\n};\nstd::array<int, 2> u = Make({1,\n2});\n")


if __name__ == "__main__":
    unittest.main()
