#!/usr/bin/env python3
"""ort_text_cases.py [HERE] OUT: like ort_cases.py, for texts: operators that
move them, those that look into them, and casts from and to numbers.

Left aside is where onnxruntime 1.31 does not do what the operator text says:
Gather of whole rows of texts (it copies the first of each row), a text that
is empty in StringSplit (it has no parts, not one), white space that is no
blank (it does not split there), and moves that it has no kernel for.
"""
import os
import pathlib
import sys

import numpy as np
from onnx import TensorProto

from ort_cases import F32, case, left_out, rng_of

F16 = np.float16

WORDS = ["", "a", "b", "ab", "Aa", "aB", "\u00e9", "\u00c9", "stra\u00dfe",
         "x y",         "\U0001f600", "z" * 40, "10", "-3"]


def texts(rng, *shape, words=None):
    v = np.empty(shape, dtype=object)
    words = WORDS if words is None else words
    for at in np.ndindex(*shape):
        v[at] = words[int(rng.integers(len(words)))]
    return v


def listed(*v):
    a = np.empty(len(v), dtype=object)
    a[:] = v
    return a


def moved_texts(out):
    """Operators that only move elements."""
    for i in range(6):
        rng = rng_of(f"moved_{i}")
        x, y = texts(rng, 3, 4), texts(rng, 3, 4)
        ix = rng.integers(-3, 3, (2, 4))
        put = np.array([[0, 1, 2, 0], [1, 2, 0, 1]])
        whole = [
            ("Identity", [x], {}), ("Transpose", [x], {}), ("Shape", [x], {}),
            ("Size", [x], {}), ("Flatten", [x], {"axis": i % 3}),
            ("Reshape", [x, np.array([2, -1])], {}),
            ("Squeeze", [x.reshape(1, 3, 4)], {}),
            ("Unsqueeze", [x, np.array([0, 2])], {}),
            ("Expand", [x[:1], np.array([2, 3, 4])], {}),
            ("Tile", [x, np.array([2, 1])], {}),
            ("Concat", [x, y, x], {"axis": i % 2}),
            ("Split", [x], {"axis": 1}),
            ("Slice", [x, np.array([2, 3]), np.array([-5, 0]),
                       np.array([0, 1]), np.array([-1, -2])], {}),
            ("Gather", [x, ix % 3], {"axis": 1}),
            ("GatherElements", [x, ix], {}),
            ("GatherND", [x, ix[:, :1]], {}),
            ("ScatterElements", [x, put, y[:2]], {}),
            ("ScatterND", [x, ix[:2, :1], y[:2]], {}),
            ("Where", [rng.random((3, 4)) < .5, x, y], {}),
            ("Compress", [x, rng.random(3) < .6], {"axis": 0}),
            ("OneHot", [rng.integers(-4, 4, (3,)), np.array(4),
                        listed("off", "on")], {"axis": i % 2}),
            ("ReverseSequence", [x, np.array([1, 3, 2, 3])], {}),
            ("Unique", [x], {"axis": 1} if i % 2 else {}),
        ]
        for op, ins, attrs in whole:
            n = {"Split": 2, "Unique": 4}.get(op, 1)
            opset = 18 if op == "Split" else 14
            if op == "Split":
                attrs = {"axis": 1, "num_outputs": 2}
            case(out, f"ort_text_{op.lower()}_{i}", op, ins, attrs, n_out=n,
                 opset=opset)
        case(out, f"ort_text_equal_{i}", "Equal", [x, y[:1]], {}, opset=19)


def cast_texts(out):
    rng = rng_of("cast_texts")
    special = [0, -0.0, np.nan, np.inf, -np.inf, 1e-5, 1e-4, 123456784, 1e17,
               99999999.5, 0.1, 1 / 3, 5e-324, 1.7e308, 2.5, 1e22, 1e-7]
    bits = rng.integers(0, 2**64, 400, dtype=np.uint64).view(np.float64)
    wide = np.concatenate([special, bits, rng.standard_normal(400) * 1e3])
    with np.errstate(all="ignore"):
        for t in (np.float64, F32, F16):
            case(out, f"ort_text_from_{t.__name__}", "Cast", [wide.astype(t)],
                 {"to": TensorProto.STRING})
    for t in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
              "uint64"):
        info = np.iinfo(t)
        v = np.array([info.min, info.max, 0, 1, 10, 99], dtype=t)
        case(out, f"ort_text_from_{t}", "Cast", [v],
             {"to": TensorProto.STRING})
    case(out, "ort_text_from_bool", "Cast", [np.array([True, False])],
         {"to": TensorProto.STRING})
    with np.errstate(over="ignore"):
        text = listed(*[repr(float(v)) for v in wide.astype(F32)], "INF",
                      "+INF",
                      "-inf", "NaN", "nan", " 7 ", "5.", ".5", "+1", "1e5",
                      "infinity", "-Infinity", "1E-40")
    for t in ("FLOAT", "DOUBLE", "FLOAT16"):
        case(out, f"ort_text_to_{t.lower()}", "Cast", [text],
             {"to": getattr(TensorProto, t)})
    text = listed("0", "1", "-1", "100.5", " 7", "300", "-129", "+5", "007",
                  "65536", "4294967296", "-9223372036854775808",
                  "9223372036854775807")
    for t in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32",
              "UINT64", "BOOL"):
        case(out, f"ort_text_to_{t.lower()}", "Cast", [text],
             {"to": getattr(TensorProto, t)})


def changed_texts(out):
    """Case by the simple mappings of Unicode, for all characters there are."""
    all_letters = listed(*["a" + chr(c) for c in range(1, 0x110000)
                           if not 0xd800 <= c < 0xe000])
    for how in ("UPPER", "LOWER"):
        case(out, f"ort_text_{how.lower()}", "StringNormalizer", [all_letters],
             {"case_change_action": how, "locale": "C.UTF-8"})
        case(out, f"ort_text_{how.lower()}_ascii", "StringNormalizer",
             [all_letters[:500]], {"case_change_action": how, "locale": "C"})
    for i in range(12):
        rng = rng_of(f"normal_{i}")
        shape = (1, 9) if i % 2 else (9,)
        attrs = {"case_change_action": ["NONE", "LOWER", "UPPER"][i % 3],
                 "is_case_sensitive": i // 3 % 2, "locale": "C.UTF-8"}
        if i % 5:
            attrs["stopwords"] = ["AB", "\u00e9", "aa", "STRASSE"][:i % 5]
        case(out, f"ort_text_normal_{i}", "StringNormalizer",
             [texts(rng, *shape)], attrs)
    case(out, "ort_text_normal_none", "StringNormalizer", [listed("a", "A")],
         {"stopwords": ["a"], "locale": "C.UTF-8"})


def joined_texts(out):
    for i in range(6):
        rng = rng_of(f"joined_{i}")
        case(out, f"ort_text_concat_{i}", "StringConcat",
             [texts(rng, 3, 1, 2), texts(rng, 4, 1)], {}, opset=20)
    parts = ["a,b,c", ",", ",,a", "a,,", "abc", "a,b,,c,d", "aaa,aab"]
    spaced = ["a b  c", "  a ", " ", "", "one two three four", "x"]
    for i in range(10):
        rng = rng_of(f"split_{i}")
        attrs = {"maxsplit": i - 6} if i >= 5 else {}
        case(out, f"ort_text_split_{i}", "StringSplit",
             [texts(rng, 2, 3, words=parts)],
             {"delimiter": [",", "a", ",,", "aa"][i % 4], **attrs}, n_out=2,
             opset=20)
        case(out, f"ort_text_words_{i}", "StringSplit",
             [texts(rng, 5, words=spaced)], attrs, n_out=2, opset=20)


PATTERNS = [
    "", "a", "a.c", "(?s)a.c", "a|ab", "(a|b)*c", "a{2,3}", "a{2,}", "a{2}?",
    "a{,2}", "a{", "(ab)+", "(?:ab)?c", "(?P<n>a)b", "(?<n>a)b", "^a$",
    "(?m)^a$\\na", "\\Aa\\z", "\\bab\\b c", "a\\Bb", "[abc]+", "[^abc]+",
    "[a-c\\d]+", "[]a]+", "[^]a]+", "[a\\]b-]+", "[[:alpha:]]+",
    "[[:^alpha:]]+", "[[:punct:][:space:]]*", "\\d+", "\\D+", "\\w+", "\\W+",
    "\\s*", "\\S*", "(?i)k", "(?i)[k-l]+", "(?i)stra\u00dfe", "(?i)[^k]",
    "(?i)\\x{212a}", "(?i)\u03c3+", "(?i:A)b", "(?i)a(?-i)b", "\\x41",
    "\\x{1F600}", "\\101", "\\07", "\\Qa.c\\E", "\\Qa+", ".", "..", "\\.",
    "(a*)*", "(a|a)*b", "(a?){30}a{30}", "((a{0,5}){0,5}){0,5}", "x*y?z+",
    "(?U)a+b", "\u00e9", "[\u00e0-\u00ff]", "(|a)b", "a||b", "()", "$", "a\\*",
    "(\\W|^)[\\w.\\-]{0,25}@(yahoo|gmail)\\.com(\\W|$)", "(a|b|)+c?",
    "(?i)\u017f", "[[:word:]]+", "\\n", "a(?:)b", "[-a]+", "[a-]+", "(^a)*",
    "(?i)[[:upper:]]+", "\\t|\\v"]
PROBES = ["", "a", "b", "c", "ab", "abc", "aa", "aaa", "aaaa", "a\nc",
          "a\u00e9c",
          "abab", "ababc", "cab", "a\na", "ab c", "A", "K", "k", "\u212a", "l",
          "STRA\u00dfE", "stra\u00dfe", "strasse", "\u03c3\u03a3\u03c2",
          "aB", "Ab",
          "\U0001f600", "\x07", "a.c", "a+", "\u00e9", "\u00df", "{", "a{",
          "a{,2}",
          "12", "1a", "x y", "_", "-a", "]", "a]", "!? ", "xyz", "zz", "\n",
          "\t",
          "a" * 30, "a" * 60, "a" * 125, "a" * 126, "me@gmail.com", "s", "S",
          "\u017f", "a*", "bc", "a|b", "AB", "\x0b"]


def matched_texts(out):
    for i, pattern in enumerate(PATTERNS):
        case(out, f"ort_text_regex_{i}", "RegexFullMatch", [listed(*PROBES)],
             {"pattern": pattern}, opset=20)
    for i in range(80):
        rng = rng_of(f"regex_{i}")
        part = ["a", "b", "[ab]", "(a|b)", "(ab)?", ".", "a*", "b+", "\\w",
                "(a|bc){1,3}", "(?:b|)", "[^a]", "a{2}", "$", "^", "\\b"]
        pattern = "".join(part[int(rng.integers(len(part)))]
                          for _ in range(int(rng.integers(1, 6))))
        probes = listed(*["".join(rng.choice(list("abc "), int(k)))
                          for k in rng.integers(0, 8, 60)])
        case(out, f"ort_text_regex_random_{i}", "RegexFullMatch", [probes],
             {"pattern": pattern}, opset=20)


def counted_texts(out):
    for i in range(24):
        rng = rng_of(f"tfidf_{i}")
        tokens = ["a", "b", "\u00e9", "dd"]
        least, most = [(1, 1), (1, 2), (2, 3), (1, 3), (3, 3), (2, 2)][i % 6]
        pool, counts, n = [], [], 0
        for k in range(1, most + 1):
            counts.append(len(pool))
            grams = {tuple(int(v) for v in rng.integers(0, 4, k))
                     for _ in range(4)}
            for g in sorted(grams):
                pool.extend(g)
                n += 1
        attrs = {"mode": ["TF", "IDF", "TFIDF"][i % 3],
                 "ngram_counts": counts,
                 "ngram_indexes": [int(v) for v in rng.permutation(n + 2)[:n]],
                 "min_gram_length": least, "max_gram_length": most,
                 "max_skip_count": int(rng.integers(0, 6))}
        if i % 4:
            attrs["weights"] = [float(v) for v in rng.integers(1, 9, n)]
        x = rng.integers(0, 5, (3, 12) if i % 2 else (12,))
        if i % 3 == 0:
            attrs["pool_strings"] = [tokens[v] for v in pool]
            x = np.vectorize((tokens + ["no"]).__getitem__, otypes=[object])(x)
        else:
            attrs["pool_int64s"] = pool
            x = x.astype(np.int32 if i % 3 == 1 else np.int64)
        case(out, f"ort_tfidf_{i}", "TfIdfVectorizer", [x], attrs)


GROUPS = [moved_texts, cast_texts, changed_texts, joined_texts, matched_texts,
          counted_texts]


def main(argv):
    out = pathlib.Path(argv[-1])
    for group in GROUPS:
        group(out)
    for line in left_out:
        print("left out", line)
    (out / "complete").write_text("")


if __name__ == "__main__":
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    main(sys.argv)
