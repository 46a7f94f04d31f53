"""Makes one set of bindings of those that wit-bindgen has made for each kind of plugin.

    python3 generated/merge.py

What all kinds have in common, most of it, is there once; what only some have stands between #if and #endif, which ask
for SAKER_KIND_COLLECTOR and the like. The object files with each world's type stay apart. It checks that each kind gets
from the one set, line for line, what it had, and removes the three.
"""

import difflib
import pathlib

KINDS = ("collector", "processor", "backend")
HERE = pathlib.Path(__file__).parent


def merge(texts):
    """Lines, each with the kinds that have it."""
    merged = []
    for kind, text in texts.items():
        old = [line for line, _ in merged]
        blocks = difflib.SequenceMatcher(None, old, text, autojunk=False).get_opcodes()
        result = []
        for what, begin, end, new_begin, new_end in blocks:
            shared = what == "equal"
            result += [(line, kinds | {kind} if shared else kinds) for line, kinds in merged[begin:end]]
            if not shared:
                result += [(line, {kind}) for line in text[new_begin:new_end]]
        merged = result
    return merged


def written(merged):
    """Lines of C: a condition around those that not all kinds have."""
    lines, before = [], set(KINDS)
    for line, kinds in merged:
        if kinds != before:
            if before != set(KINDS):
                lines.append("#endif")
            if kinds != set(KINDS):
                asked = " || ".join(f"defined(SAKER_KIND_{kind.upper()})" for kind in KINDS if kind in kinds)
                lines.append(f"#if {asked}")
            before = kinds
        lines.append(line)
    return lines + (["#endif"] if before != set(KINDS) else [])


def main():
    for name in ("bindings.h", "bindings.c"):
        texts = {kind: (HERE / kind / name).read_text().split("\n") for kind in KINDS}
        merged = merge(texts)
        for kind, text in texts.items():
            assert [line for line, kinds in merged if kind in kinds] == text, f"{kind}/{name}"
        for line, kinds in merged:
            assert not line.startswith(("#if", "#else", "#endif")) or kinds == set(KINDS), f"{name}: nested: {line}"
        (HERE / name).write_text("\n".join(written(merged)))
    for kind in KINDS:
        (HERE / kind / "bindings_component_type.o").rename(HERE / f"{kind}.o")
        for name in ("bindings.h", "bindings.c"):
            (HERE / kind / name).unlink()
        (HERE / kind).rmdir()


main()
