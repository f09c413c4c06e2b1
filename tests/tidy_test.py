"""Each rule of tools/tidy.py: a clean tree passes, and a planted violation is named, with its file and line."""
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import tidy  # noqa: E402
import tidy_objects  # noqa: E402

# The smallest tree without findings: one op in every tier, one includer of each kind.
CLEAN = {
    "tools/layers.txt": "base:\nnumerics: base\nkernels: base numerics\nmodel: base kernels\ncli: base model\n",
    "docs/numerics.md": "| NUM-RED | sum of squares |\n",
    "cmake/fp_flags.cmake": "add_compile_options(-ffp-contract=off -fno-fast-math -march=x86-64-v3)\n",
    "src/base/check.h": "#pragma once\n",
    "src/base/clock.cc": "long now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }\n",
    "src/numerics/functions.h": "#pragma once\ntemplate <class V> V exp(V x) { return x; }\n",
    "src/kernels/norm.h": '#pragma once\n#include "base/check.h"\n'
                          "// NUM-RED.\nvoid norm(Queue& queue, const NormArgs& args);\n",
    "src/kernels/norm.cc": '#include "kernels/norm.h"\n',
    "src/kernels/norm_test.cc": '#include <gtest/gtest.h>\n#include "kernels/norm.h"\n',
    "src/kernels/ref/norm.cc": '#include "kernels/norm.h"\n#include "numerics/functions.h"\n',
    "src/kernels/cpu/simd.h": "#pragma once\n",
    "src/kernels/cpu/norm_avx2.cc": '#include <immintrin.h>\n#include "kernels/cpu/simd.h"\n',
    "src/kernels/cpu/norm_avx512.cc": '#include "kernels/cpu/simd.h"\nfloat f(float x) { return num::exp(x); }\n',
    "src/kernels/cuda/absent.txt": "norm.cu: later\n",
    "src/cli/main.cc": "int main() { auto t = std::chrono::steady_clock::now(); }\n",
}


def findings(changes):
    """What tidy says of CLEAN with these files changed; a value of None removes the file."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in {**CLEAN, **changes}.items():
            if text is not None:
                file = Path(folder) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return [str(finding) for finding in tidy.check(folder)]


class TidyTest(unittest.TestCase):
    def expect(self, changes, *places):
        """`places` are `path:line: rule`; exactly these are found."""
        found = findings(changes)
        self.assertEqual([re.match(r"[^ ]+ [a-z0-9-]+", f)[0] for f in found], sorted(places), found)

    def expect_code(self, path, line, *rules):
        """One line of code, planted as line 2 of a file, breaks these rules and no others."""
        header = "#pragma once" if path.endswith(".h") else "// A file."
        self.expect({path: f"{header}\n{line}\n"}, *[f"{path}:2: {rule}" for rule in rules])


class CleanTree(TidyTest):
    def test_a_clean_tree_has_no_findings(self):
        self.expect({})

    def test_comments_and_strings_are_not_code(self):
        self.expect_code("src/model/a.cc", "// std::exp(x) goto random_device")
        self.expect_code("src/model/a.cc", "/* goto */ int x = 1'000'000; const char* s = \"goto \\\" goto\";")
        self.expect_code("src/model/a.cc", 'const char* s = R"x(goto ")" goto)x"; char c = \'"\';')


class Layout(TidyTest):
    def test_an_include_against_the_arrows_is_found(self):
        self.expect_code("src/base/a.cc", '#include "model/a.h"', "layers")
        self.expect({"src/model/a.h": "#pragma once\n", "src/kernels/b_test.cc": '#include "model/a.h"\n'},
                    "src/kernels/b_test.cc:1: layers")

    def test_an_include_that_is_not_below_src_is_found(self):
        self.expect_code("src/base/a.cc", '#include "check.h"', "layers")
        self.expect_code("src/base/a.cc", '#include "../base/check.h"', "layers")
        self.expect_code("src/base/a.cc", '#include "base/gone.h"', "layers")

    def test_a_folder_outside_the_law_is_found(self):
        self.expect({"src/extra/a.cc": "int a;\n"}, "src/extra/a.cc:1: layers")

    def test_an_arrow_that_points_up_is_found(self):
        self.expect({"tools/layers.txt": CLEAN["tools/layers.txt"].replace("base:", "base: model", 1)},
                    "tools/layers.txt:1: layers")
        self.expect({"tools/layers.txt": CLEAN["tools/layers.txt"] + "base -> cli\n"}, "tools/layers.txt:6: layers")

    def test_gtest_and_test_headers_are_for_tests(self):
        self.expect_code("src/base/a.cc", "#include <gtest/gtest.h>", "layers")
        self.expect({"src/base/a_testing.h": "#pragma once\n", "src/base/b.cc": '#include "base/a_testing.h"\n'},
                    "src/base/b.cc:1: layers")
        self.expect({"src/base/a_testing.h": "#pragma once\n", "src/base/b_test.cc": '#include "base/a_testing.h"\n'})

    def test_a_reference_kernel_that_includes_more_than_numerics_is_found(self):
        self.expect({"src/kernels/ref/norm.cc": '#include "base/check.h"\n'}, "src/kernels/ref/norm.cc:1: kernels-ref")
        self.expect({"src/kernels/ref/norm.cc": '#include "kernels/cpu/simd.h"\n'},
                    "src/kernels/ref/norm.cc:1: kernels-ref")

    def test_an_isa_file_that_includes_foreign_inline_code_is_found(self):
        for include in ('"base/check.h"', '"kernels/other.h"', "<fmt/format.h>"):
            self.expect({"src/kernels/other.h": "#pragma once\n",
                         "src/kernels/cpu/norm_avx512.cc": f"#include {include}\n"},
                        "src/kernels/cpu/norm_avx512.cc:1: kernels-isa")

    def test_cpu_and_cuda_do_not_include_each_other(self):
        header, cpu, cuda = "src/kernels/cuda/a.cuh", "src/kernels/cpu/a.cc", "src/kernels/cuda/a.cu"
        self.expect({header: "#pragma once\n", cpu: '#include "kernels/cuda/a.cuh"\n'}, f"{cpu}:1: kernels-tiers")
        self.expect({cuda: '#include "kernels/cpu/simd.h"\n'}, f"{cuda}:1: kernels-tiers")

    def test_a_hole_in_the_kernel_matrix_is_found(self):
        for file in ("norm.cc", "norm_test.cc"):
            self.expect({f"src/kernels/{file}": None}, "src/kernels/norm.h:1: kernel-matrix")
        for file in ("ref/norm.cc", "cpu/norm_avx2.cc", "cpu/norm_avx512.cc"):
            self.expect({f"src/kernels/{file}": None}, f"src/kernels/{file}:1: kernel-matrix")
        self.expect({"src/kernels/cuda/absent.txt": None}, "src/kernels/cuda/norm.cu:1: kernel-matrix")

    def test_a_reason_in_absent_txt_fills_a_hole(self):
        self.expect({"src/kernels/cpu/norm_avx512.cc": None, "src/kernels/cpu/absent.txt": "norm_avx512.cc: a copy\n"})

    def test_a_stale_or_broken_line_of_absent_txt_is_found(self):
        absent = "src/kernels/cuda/absent.txt"
        self.expect({absent: "norm.cu: later\nrope.cu: later\n"}, f"{absent}:2: kernel-matrix")
        self.expect({"src/kernels/cuda/norm.cu": "int a;\n"}, f"{absent}:1: kernel-matrix")
        self.expect({absent: "norm.cu: later\nnorm.cu\n"}, f"{absent}:2: kernel-matrix")

    def test_the_reference_cannot_be_absent(self):
        self.expect({"src/kernels/ref/norm.cc": None, "src/kernels/ref/absent.txt": "norm.cc: later\n"},
                    "src/kernels/ref/absent.txt:1: kernel-matrix")


class Bans(TidyTest):
    def test_fast_math_is_found_in_code_and_in_build_files(self):
        for line in ("#pragma STDC FP_CONTRACT ON", '#pragma GCC optimize("O3")', "#pragma clang fp contract(fast)"):
            self.expect_code("src/base/a.cc", line, "fast-math")
        for flag in ("-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-fassociative-math", "--use_fast_math"):
            self.expect({"CMakeLists.txt": f"add_compile_options({flag})\n"}, "CMakeLists.txt:1: fast-math")
            self.expect({"cmake/fp_flags.cmake": f"add_compile_options({flag})\n"}, "cmake/fp_flags.cmake:1: fast-math")

    def test_floating_point_flags_outside_their_file_are_found(self):
        for flag in ("-ffp-contract=fast", "-march=native", "-mavx512f", "-mfma", "-frounding-math", "--fmad=true"):
            self.expect({"CMakeLists.txt": f"add_compile_options({flag})\n"}, "CMakeLists.txt:1: fp-flags")
            self.expect({"CMakePresets.json": f'{{"flags": "{flag}"}}\n'}, "CMakePresets.json:1: fp-flags")

    def test_an_instruction_set_by_attribute_is_found(self):
        self.expect_code("src/base/a.cc", '__attribute__((target("avx512f"))) void f();', "isa-by-name")
        self.expect_code("src/base/a.cc", '#pragma GCC target("avx2")', "isa-by-name")
        self.expect_code("bench/a.cc", '#pragma GCC target("avx2")', "isa-by-name")

    def test_float_atomics_are_found(self):
        self.expect_code("src/base/a.cc", "std::atomic<float> sum;", "float-atomic")
        self.expect_code("src/base/a.cc", "std::atomic_ref<double> sum(x);", "float-atomic")
        self.expect_code("src/base/a.cc", "std::atomic<int64_t> sum;")

    def test_sums_of_unspecified_order_are_found(self):
        self.expect_code("src/base/a.cc", "return std::reduce(x.begin(), x.end());", "parallel-reduce")
        self.expect_code("src/base/a.cc", "#pragma omp parallel for", "parallel-reduce")

    def test_libm_is_found_where_bits_are_made(self):
        for call in ("std::exp(x)", "::log(x)", "expf(x)", "std::tanh (x)", "std::pow(x, y)", "sinf(x)"):
            self.expect_code("src/numerics/a.h", f"float f(float x) {{ return {call}; }}", "libm")
            self.expect_code("src/kernels/a.cc", f"float f(float x) {{ return {call}; }}", "libm")
        self.expect_code("src/kernels/a.cc", "float f(float x) { return exp(x); }", "libm")

    def test_own_and_exact_functions_are_not_libm(self):
        for call in ("num::exp(x)", "std::sqrt(x)", "std::fma(x, x, x)", "log_sum(x)", "x.log(1)", "std::floor(x)"):
            self.expect_code("src/kernels/a.cc", f"float f(float x) {{ return {call}; }}")
        self.expect_code("src/numerics/a.h", "float f(float x) { return exp(x); }")
        self.expect_code("src/kernels/a_test.cc", "double f(double x) { return std::exp(x); }")

    def test_approximate_instructions_are_found(self):
        for call in ("_mm256_rcp_ps(x)", "_mm512_rsqrt14_ps(x)", "_mm512_exp_ps(x)", "__expf(x)"):
            self.expect_code("src/base/a.cc", f"auto y = {call};", "approximate-instruction")

    def test_tf32_is_found_and_utf32_is_not(self):
        self.expect_code("src/base/a.cc", "mode = CUBLAS_TF32_TENSOR_OP_MATH;", "tf32")
        self.expect_code("src/base/a.cc", "auto n = normalize_utf32(text);")

    def test_unseeded_and_library_randomness_is_found(self):
        self.expect_code("src/base/a.cc", "std::random_device device;", "random")
        self.expect_code("src/base/a_test.cc", "std::random_device device;")
        self.expect_code("src/base/a_test.cc", "int r = rand();", "random")
        self.expect_code("src/model/a.cc", "std::normal_distribution<float> draw;", "distribution")
        self.expect_code("src/model/a_test.cc", "std::normal_distribution<float> draw;")

    def test_clocks_outside_their_port_are_found(self):
        for call in ("std::chrono::steady_clock::now()", "system_clock::now()", "time(nullptr)", "__rdtsc()"):
            self.expect_code("src/base/a.cc", f"auto t = {call};", "clock")
            self.expect_code("src/cli/a.cc", f"auto t = {call};")
            self.expect_code("bench/a.cc", f"auto t = {call};")
        self.expect_code("src/base/a.cc", "auto t = clock.time(0);")

    def test_hash_and_pointer_order_are_found(self):
        self.expect_code("src/model/a.cc", "std::unordered_map<int, int> pages;", "hash-order")
        self.expect_code("src/base/a.cc", "std::unordered_map<int, int> pages;")
        self.expect_code("src/base/a.cc", "std::set<const Node*> seen;", "pointer-order")
        self.expect_code("src/base/a.cc", "std::map<std::string, Node*> nodes;")

    def test_thread_identity_in_kernels_is_found(self):
        self.expect_code("src/kernels/a.cc", "thread_local int scratch;", "thread-identity")
        self.expect_code("src/kernels/a.cc", "auto id = std::this_thread::get_id();", "thread-identity")
        self.expect_code("src/base/a.cc", "thread_local int scratch;")

    def test_flushing_outside_p2_is_found(self):
        self.expect_code("src/kernels/cpu/norm.cc", "_mm_setcsr(0x8040);", "flush-to-zero")
        self.expect_code("src/model/a.cc", "_MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);", "flush-to-zero")
        self.expect_code("src/kernels/cpu/linear.h", "inline void f() { _mm_setcsr(0x8040); }")

    def test_goto_and_using_namespace_in_a_header_are_found(self):
        self.expect_code("src/base/a.cc", "goto done;", "goto")
        self.expect_code("src/base/a.h", "using namespace std;", "using-namespace")
        self.expect_code("src/base/a.cc", "using namespace std;")

    def test_a_floating_point_collective_is_found_across_lines(self):
        self.expect_code("src/base/a.cc", "MPI_Allreduce(a, b, n,\n  MPI_FLOAT, MPI_SUM, c);", "float-collective")
        self.expect_code("src/base/a.cc", "ncclAllReduce(a, b, n, ncclBfloat16, ncclSum, c, s);", "float-collective")
        self.expect_code("src/base/a.cc", "MPI_Allreduce(a, b, n, MPI_INT64_T, MPI_SUM, c);")


class Form(TidyTest):
    def test_too_long_a_file_line_or_function_is_found(self):
        self.expect({"src/base/a.cc": "int a;\n" * 600})
        self.expect({"src/base/a.cc": "int a;\n" * 601}, "src/base/a.cc:600: file-length")
        self.expect_code("src/base/a.cc", "// " + "x" * 117)
        self.expect_code("src/base/a.cc", "// " + "x" * 118, "line-length")
        self.expect_code("tools/oracle/a.py", "# " + "x" * 119)
        body = "namespace a {\nint f(int x) {\n" + "  if (x) { x++; }\n" * 68 + "}\n}\n"
        self.expect({"src/base/a.cc": body})
        longer = body.replace("x++; }\n}", "x++; }\n\n}")
        self.expect({"src/base/a.cc": longer.replace("int f", "int g() { return 1; }\nint f")},
                    "src/base/a.cc:3: function-length")
        self.expect({"src/kernels/a.cc": longer})

    def test_white_space_is_found(self):
        self.expect_code("src/base/a.cc", "int a; ", "white-space")
        self.expect_code("src/base/a.cc", "\tint a;", "white-space")
        self.expect({"src/base/a.cc": "int a;"}, "src/base/a.cc:1: white-space")

    def test_a_header_without_pragma_once_is_found(self):
        self.expect({"src/base/a.h": "int a;\n"}, "src/base/a.h:1: pragma-once")

    def test_names_that_say_nothing_are_found(self):
        for name in ("utils.h", "string_utils.h", "helpers.h", "common.h"):
            self.expect({f"src/base/{name}": "#pragma once\n"}, f"src/base/{name}:1: file-name")
        self.expect({"src/base/MyFile.h": "#pragma once\n"}, "src/base/MyFile.h:1: file-name")

    def test_an_undefined_contract_id_is_found(self):
        self.expect_code("src/base/a.cc", "// NUM-GONE", "contract-id")
        self.expect({"docs/numerics.md": None}, "docs/numerics.md:1: contract-id")

    def test_a_path_of_one_machine_is_found(self):
        for path in ("/home/me/x", "/root/x.txt"):
            self.expect_code("src/base/a.cc", f"// see {path}", "machine-path")
            self.expect_code("src/base/a.cc", f'open("{path}");', "machine-path")
            self.expect({"README.md": f"see {path}\n"}, "README.md:1: machine-path")
        self.expect({"README.md": "see https://example.org/home/x and ./home/x\n"})

    def test_large_files_are_found(self):
        self.expect({"a.bin": bytes((1 << 20) + 1)}, "a.bin:1: file-size")
        self.expect({"tests/goldens/a.bin": bytes((1 << 20) + 1)})
        self.expect({"tests/goldens/a.bin": bytes((4 << 20) + 1)}, "tests/goldens/a.bin:1: file-size")


class Objects(unittest.TestCase):
    def leaks(self, wide, narrow):
        """The functions that leak between f_avx512.cc and g.cc with these texts."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("f_avx512.cc", wide), ("g.cc", narrow)):
                (Path(folder) / name).write_text(text)
                subprocess.run(["g++", "-O0", "-c", name, "-o", f"{name}.o"], cwd=folder, check=True)
            subprocess.run(["ar", "rcs", "lib.a", "f_avx512.cc.o", "g.cc.o"], cwd=folder, check=True)
            return list(tidy_objects.shared_weak_symbols([f"{folder}/lib.a"]))

    def test_an_inline_function_of_two_tiers_is_found(self):
        shared = "inline int leak(int x) { return x + 1; }\n"
        found = self.leaks(shared + "int f(int x) { return leak(x); }", shared + "int g(int x) { return leak(x); }")
        self.assertEqual(found, ["leak(int)"])

    def test_a_static_function_does_not_leak(self):
        own = "static int own(int x) { return x + 1; }\n"
        found = self.leaks(own + "int f(int x) { return own(x); }", own + "int g(int x) { return own(x); }")
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
